"""Simulated hosts on one machine: each its own network, libvirtd, sshd and storage."""

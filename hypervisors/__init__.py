"""Hypervisors: hosts, their pools and images, and the way to libvirt."""

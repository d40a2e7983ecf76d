"""Brings the portal onto a machine, and runs its processes."""

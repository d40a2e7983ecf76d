"""Durable operations: steps with do and undo, leases, retries, resume."""

"""The wire API of hypervisors."""

"""The quota part of the compute API."""

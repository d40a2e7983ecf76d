"""The flavors part of the compute API."""

"""The wire format of drains, an extension of the compute API."""

"""The volume service's wire format, version 3."""

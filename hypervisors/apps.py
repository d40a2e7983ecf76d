"""Registers the hypervisors app."""

from django.apps import AppConfig


class HypervisorsConfig(AppConfig):
    """The hypervisors app."""

    name = "hypervisors"

    def ready(self) -> None:
        """Register the system checks."""
        from hypervisors import system_checks  # noqa: F401 - the import is the registration

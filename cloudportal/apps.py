"""Registers the project's own app: commands and system checks."""

from django.apps import AppConfig


class CloudportalConfig(AppConfig):
    """The project itself."""

    name = "cloudportal"

    def ready(self) -> None:
        """Register the system checks."""
        from cloudportal import checks  # noqa: F401 - the import is the registration

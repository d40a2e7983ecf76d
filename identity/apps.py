"""Registers the identity app."""

from django.apps import AppConfig


class IdentityConfig(AppConfig):
    """The identity app."""

    name = "identity"

    def ready(self) -> None:
        """Declare the app's policy rules."""
        from identity import rules  # noqa: F401 - the import is the declaration

"""Registers the identity app."""

from django.apps import AppConfig


class IdentityConfig(AppConfig):
    """The identity app."""

    name = "identity"

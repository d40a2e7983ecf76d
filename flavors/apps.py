"""Registers the flavors app."""

from django.apps import AppConfig


class FlavorsConfig(AppConfig):
    """The flavors app."""

    name = "flavors"

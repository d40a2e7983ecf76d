"""Registers the networks app."""

from django.apps import AppConfig


class NetworksConfig(AppConfig):
    """The networks app."""

    name = "networks"

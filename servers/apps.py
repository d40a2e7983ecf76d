"""Registers the servers app."""

from django.apps import AppConfig


class ServersConfig(AppConfig):
    """The servers app."""

    name = "servers"

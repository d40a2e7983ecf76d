"""Registers the hypervisors app."""

from django.apps import AppConfig


class HypervisorsConfig(AppConfig):
    """The hypervisors app."""

    name = "hypervisors"

"""Registers the project's own app: commands and system checks."""

from django.apps import AppConfig


class CloudportalConfig(AppConfig):
    """The project itself."""

    name = "cloudportal"

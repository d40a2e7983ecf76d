"""Registers the quotas app."""

from django.apps import AppConfig


class QuotasConfig(AppConfig):
    """The quotas app."""

    name = "quotas"

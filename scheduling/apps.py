"""Registers the scheduling app."""

from django.apps import AppConfig


class SchedulingConfig(AppConfig):
    """The scheduling app."""

    name = "scheduling"

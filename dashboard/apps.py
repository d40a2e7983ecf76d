"""Registers the dashboard app."""

from django.apps import AppConfig


class DashboardConfig(AppConfig):
    """The dashboard app."""

    name = "dashboard"

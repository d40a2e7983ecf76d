"""Registers the maintenance app."""

from django.apps import AppConfig


class MaintenanceConfig(AppConfig):
    """The maintenance app."""

    name = "maintenance"

    def ready(self) -> None:
        """Make the periodic work known."""
        from maintenance.carry import EVERY_S, carry_on_drains
        from operations.timers import register_timer

        register_timer("maintenance.drains", EVERY_S, carry_on_drains)

"""Registers the maintenance app."""

from django.apps import AppConfig


class MaintenanceConfig(AppConfig):
    """The maintenance app."""

    name = "maintenance"

    def ready(self) -> None:
        """Make the periodic work known."""
        from maintenance.carry import EVERY_S, carry_on_drains
        from maintenance.drain import TIMER
        from operations.timers import register_timer

        register_timer(TIMER, EVERY_S, carry_on_drains)

"""Registers the maintenance app."""

from django.apps import AppConfig


class MaintenanceConfig(AppConfig):
    """The maintenance app."""

    name = "maintenance"

    def ready(self) -> None:
        """Make the kind of operation and the periodic work known."""
        from maintenance.carry import EVERY_S, carry_on_drains
        from maintenance.drain import TIMER
        from maintenance.operations.remove_project import REMOVE_KIND, describe_removals
        from operations.debts import register_debt
        from operations.kinds import register
        from operations.timers import register_timer

        register(REMOVE_KIND)
        register_debt(REMOVE_KIND.name, describe_removals)
        register_timer(TIMER, EVERY_S, carry_on_drains)

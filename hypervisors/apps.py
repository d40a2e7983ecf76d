"""Registers the hypervisors app."""

from django.apps import AppConfig


class HypervisorsConfig(AppConfig):
    """The hypervisors app."""

    name = "hypervisors"

    def ready(self) -> None:
        """Register the system checks, and what a keeper does as long as it runs."""
        from hypervisors import system_checks  # noqa: F401 - the import is the registration
        from hypervisors.debts import pay_soon
        from hypervisors.watch import on_look, watch_hosts
        from operations.timers import register_resident

        register_resident("hosts", watch_hosts)
        on_look(pay_soon)

"""Registers the integrity app."""

from django.apps import AppConfig


class IntegrityConfig(AppConfig):
    """The integrity app."""

    name = "integrity"

    def ready(self) -> None:
        """Make the kind of operation and the periodic work known."""
        from integrity.operations.repair import REPAIR_KIND
        from integrity.sweep import SWEEP_EVERY_S, sweep
        from operations.kinds import register
        from operations.timers import register_timer

        register(REPAIR_KIND)
        register_timer("integrity", SWEEP_EVERY_S, sweep)

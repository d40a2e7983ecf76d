"""Registers the operations app."""

from django.apps import AppConfig


class OperationsConfig(AppConfig):
    """The operations app."""

    name = "operations"

    def ready(self) -> None:
        """Make the periodic work known."""
        from operations.forget import FORGET_EVERY_S, forget_finished
        from operations.timers import register_timer

        register_timer("operations.forget", FORGET_EVERY_S, forget_finished)

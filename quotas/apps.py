"""Registers the quotas app."""

from django.apps import AppConfig


class QuotasConfig(AppConfig):
    """The quotas app."""

    name = "quotas"

    def ready(self) -> None:
        """Make known what ends with a project, and the periodic work."""
        from identity.delete import end_with_project
        from operations.timers import register_timer
        from quotas.close import FORGET_EVERY_S, close_account, forget_account, forget_closed
        from quotas.past import FORGET_EVERY_S as FORGET_PAST_EVERY_S
        from quotas.past import forget_past

        end_with_project(close=close_account, forget=forget_account)
        register_timer("quotas.closed", FORGET_EVERY_S, forget_closed)
        register_timer("quotas.past", FORGET_PAST_EVERY_S, forget_past)

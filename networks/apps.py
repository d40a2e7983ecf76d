"""Registers the networks app."""

from django.apps import AppConfig


class NetworksConfig(AppConfig):
    """The networks app."""

    name = "networks"

    def ready(self) -> None:
        """Register what others find by name."""
        from identity.delete import keep_project_while
        from networks import rules  # noqa: F401 - registers the policy rules
        from networks.lookup import networks_held_by
        from networks.operations.debts import describe_filters, describe_removals, describe_spreads
        from networks.operations.filters import APPLY_FILTERS, SPREAD_CHANGES
        from networks.operations.remove_network import REMOVE
        from networks.spread import SPREAD_EVERY_S, sweep_changes
        from operations.debts import register_debt
        from operations.kinds import register
        from operations.timers import register_timer

        register(REMOVE)
        register(SPREAD_CHANGES)
        register(APPLY_FILTERS)
        register_debt(REMOVE.name, describe_removals)
        register_debt(APPLY_FILTERS.name, describe_filters)
        register_debt(SPREAD_CHANGES.name, describe_spreads)
        register_timer("networks.filters", SPREAD_EVERY_S, sweep_changes)
        keep_project_while(networks_held_by)

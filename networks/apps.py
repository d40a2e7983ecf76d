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
        from networks.operations.debts import describe_removals
        from networks.operations.remove_network import REMOVE
        from operations.debts import register_debt
        from operations.kinds import register

        register(REMOVE)
        register_debt(REMOVE.name, describe_removals)
        keep_project_while(networks_held_by)

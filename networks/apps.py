"""Registers the networks app."""

from django.apps import AppConfig


class NetworksConfig(AppConfig):
    """The networks app."""

    name = "networks"

    def ready(self) -> None:
        """Register what others find by name."""
        from hypervisors.watch import on_look
        from identity.delete import keep_project_while
        from networks import rules  # noqa: F401 - registers the policy rules
        from networks.floating_places import (
            AGAIN_EVERY_S,
            PLACE_EVERY_S,
            again,
            notice,
            sweep_places,
        )
        from networks.lookup import networks_held_by
        from networks.network_places import AGAIN_EVERY_S as TELL_EVERY_S
        from networks.network_places import SWEEP_EVERY_S
        from networks.network_places import again as tell_again
        from networks.network_places import notice as notice_networks
        from networks.network_places import sweep_places as sweep_networks
        from networks.operations.debts import (
            describe_filters,
            describe_floating_ips,
            describe_networks,
            describe_places,
            describe_removals,
            describe_spreads,
        )
        from networks.operations.filters import APPLY_FILTERS, SPREAD_CHANGES
        from networks.operations.floating import APPLY_FLOATING_IPS, PLACE_FLOATING_IPS
        from networks.operations.networks import APPLY_NETWORKS
        from networks.operations.remove_network import REMOVE
        from networks.spread import SPREAD_EVERY_S, sweep_changes
        from operations.debts import register_debt
        from operations.kinds import register
        from operations.timers import register_timer

        on_look(notice)
        on_look(notice_networks)
        register(REMOVE)
        register(SPREAD_CHANGES)
        register(APPLY_FILTERS)
        register(PLACE_FLOATING_IPS)
        register(APPLY_FLOATING_IPS)
        register(APPLY_NETWORKS)
        register_debt(REMOVE.name, describe_removals)
        register_debt(APPLY_FILTERS.name, describe_filters)
        register_debt(SPREAD_CHANGES.name, describe_spreads)
        register_debt(PLACE_FLOATING_IPS.name, describe_places)
        register_debt(APPLY_FLOATING_IPS.name, describe_floating_ips)
        register_timer("networks.floating_ips", PLACE_EVERY_S, sweep_places)
        register_timer("networks.floating_ips_again", AGAIN_EVERY_S, again)
        register_debt(APPLY_NETWORKS.name, describe_networks)
        register_timer("networks.places", SWEEP_EVERY_S, sweep_networks)
        register_timer("networks.places_again", TELL_EVERY_S, tell_again)
        register_timer("networks.filters", SPREAD_EVERY_S, sweep_changes)
        keep_project_while(networks_held_by)

"""Changes what can change about networks, subnets and ports while hosts use them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from ipaddress import IPv4Network
from typing import Any

from django.db import transaction
from django.db.models import F, Model

from identity.actors import Actor
from networks.create import checked_pools
from networks.errors import InvalidSharedSetting
from networks.lookup import require
from networks.models import Network, Port, Subnet


def update_network(
    *, network: Network, changes: Mapping[str, Any], actor: Actor, now: datetime
) -> Network:
    """Change name, description or sharing.

    Raises:
        PolicyNotAuthorized: the actor may not change it.
        InvalidSharedSetting: other projects' ports need it shared.
    """
    require(actor, "update_network", network.project_id)
    with transaction.atomic():
        if changes.get("is_shared") is False:
            foreign = network.ports.exclude(project_id=network.project_id)
            if foreign.exists():
                raise InvalidSharedSetting(
                    f"Unable to reconfigure sharing settings for network {network.name}. "
                    "Multiple tenants are using it."
                )
        _change(network, changes, now)
    return network


def update_subnet(
    *, subnet: Subnet, changes: Mapping[str, Any], actor: Actor, now: datetime
) -> Subnet:
    """Change name, description or pools; ports keep the addresses they have.

    Raises:
        PolicyNotAuthorized: the actor may not change it.
        InvalidInput, Conflict: the pools make no sense.
    """
    require(actor, "update_subnet", subnet.project_id)
    changed = dict(changes)
    pools: Sequence[Sequence[str]] | None = changed.get("allocation_pools")
    if pools is not None:
        cidr = IPv4Network(subnet.cidr)
        changed["allocation_pools"] = checked_pools(pools, cidr, subnet.gateway_ip or "0.0.0.0")  # noqa: S104 - an address in no range
    _change(subnet, changed, now)
    return subnet


def update_port(*, port: Port, changes: Mapping[str, Any], actor: Actor, now: datetime) -> Port:
    """Change name or description.

    Raises:
        PolicyNotAuthorized: the actor may not change it.
    """
    require(actor, "update_port", port.project_id)
    _change(port, changes, now)
    return port


def _change(row: Model, changes: Mapping[str, Any], now: datetime) -> None:
    """Only the columns named, so that a change of another column at the same time holds."""
    type(row)._default_manager.filter(pk=row.pk).update(
        **changes, updated_at=now, revision=F("revision") + 1
    )
    row.refresh_from_db()

"""Changes what can change about networks, subnets and ports while hosts use them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from ipaddress import ip_network
from typing import Any

from django.db import transaction
from django.db.models import F, Model

from identity.actors import Actor
from networks.address_pairs import check_may_forge, checked_pairs
from networks.create import check_port_security
from networks.dhcp import check_pools_leave
from networks.errors import InvalidSharedSetting
from networks.lookup import require
from networks.models import Network, Port, Subnet
from networks.models.sharing import EVERYBODY
from networks.ranges import checked_pools
from networks.security_groups import checked_groups
from networks.spread import mark_ports, note_members


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
            left = network.shares.values_list("target_project_id", flat=True)
            foreign = network.ports.exclude(project_id__in=[network.project_id, *left])
            if EVERYBODY not in left and foreign.exists():
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
        cidr = ip_network(subnet.cidr)
        changed["allocation_pools"] = checked_pools(pools, cidr, subnet.gateway_ip)
        check_pools_leave(subnet, changed["allocation_pools"])
    _change(subnet, changed, now)
    return subnet


def update_port(
    *,
    port: Port,
    changes: Mapping[str, Any],
    actor: Actor,
    now: datetime,
    security_groups: Sequence[str] | None = None,
) -> Port:
    """Change name, description, port security, address pairs, or groups; None leaves those.

    Raises:
        PolicyNotAuthorized: the actor may not change it.
        SecurityGroupNotFound: its project has no such group.
        PortSecurityAndIPRequiredForSecurityGroups: it would follow groups without port security.
    """
    require(actor, "update_port", port.project_id)
    is_secure = changes.get("has_port_security", port.has_port_security)
    changes, pairs = dict(changes), port.address_pairs
    if "address_pairs" in changes:
        pairs = changes["address_pairs"] = checked_pairs(changes["address_pairs"], port.mac_address)
    if is_secure != port.has_port_security or pairs != port.address_pairs:
        check_may_forge(actor, port.network, has_port_security=is_secure, pairs=pairs)
    groups = None if security_groups is None else checked_groups(security_groups, port.project_id)
    with transaction.atomic():
        before = set(port.security_groups.values_list("pk", flat=True))
        after = before if groups is None else {group.pk for group in groups}
        check_port_security([str(pk) for pk in after], has_port_security=is_secure)
        if groups is not None:
            port.security_groups.set(groups)
        has_other_rules = (is_secure, pairs) != (port.has_port_security, port.address_pairs)
        if after != before or has_other_rules:
            others = before ^ after if pairs == port.address_pairs else before | after
            note_members(others, now=now)
            rows = Port.objects.filter(pk=port.pk)
            mark_ports(rows, now=now, request_id=actor.request_id)
        _change(port, changes, now)
    return port


def _change(row: Model, changes: Mapping[str, Any], now: datetime) -> None:
    """Only the columns named, so that a change of another column at the same time holds."""
    type(row)._default_manager.filter(pk=row.pk).update(
        **changes, updated_at=now, revision=F("revision") + 1
    )
    row.refresh_from_db()

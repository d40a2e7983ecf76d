"""What is shown with servers, read in bulk: addresses, security groups, faults, hosts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from django.db.models import OuterRef, Subquery

from cloudportal import any_of as any_of  # the lookup
from hypervisors.models import Hypervisor
from networks.models import FixedIP, FloatingIP, Port
from servers.models import Server, ServerFault
from volumes.models import Attachment


class Address(NamedTuple):
    """An address of a server, as shown under its network's name; floating ones after the fixed."""

    network: str
    version: int
    address: str
    mac_address: str
    is_floating: bool = False


@dataclass(frozen=True)
class Surroundings:
    """What belongs to some servers, by the server's id as text; hosts by their own key.

    Volumes are ids, each with whether it goes with its server.
    """

    addresses: Mapping[str, list[Address]]
    security_groups: Mapping[str, list[str]]
    faults: Mapping[str, ServerFault]
    hosts: Mapping[int, Hypervisor]
    volumes: Mapping[str, list[tuple[str, bool]]] = field(default_factory=dict)


def surroundings_of(servers: Sequence[Server]) -> Surroundings:
    """Read what belongs to these servers, with a constant number of queries."""
    # Sets: of lists Django looks at every item whether it is an expression.
    keys = {server.id for server in servers}
    identifiers = {str(key) for key in keys}
    failed = [server.id for server in servers if server.status in {"ERROR", "DELETED"}]
    return Surroundings(
        addresses=_addresses(identifiers),
        security_groups=_security_groups(identifiers),
        faults=_faults(failed),
        volumes=_volumes(keys),
        hosts=Hypervisor.objects.only(
            "name", "hostname", "state", "is_enabled", "in_maintenance", "is_forced_down"
        ).in_bulk({server.hypervisor_id for server in servers if server.hypervisor_id}),
    )


def _addresses(identifiers: Set[str]) -> dict[str, list[Address]]:
    found: dict[str, list[Address]] = defaultdict(list)
    floating: list[tuple[str, Address]] = []
    # In the same query; of several outsides that lead to one address the first is shown.
    leading = FloatingIP.objects.filter(
        port=OuterRef("port"), fixed_address=OuterRef("address")
    ).order_by("pk")
    rows = (
        FixedIP.objects.filter(port__device_id__any_of=identifiers)
        .order_by("port__device_index", "pk")
        .values_list(
            "port__device_id",
            "port__network__name",
            "address",
            "port__mac_address",
            Subquery(leading.values("address")[:1]),
        )
    )
    for device_id, network, address, mac_address, leads_here in rows:
        version = 6 if ":" in address else 4
        found[device_id].append(Address(network, version, address, mac_address))
        if leads_here:
            outside = Address(network, 4, leads_here, mac_address, is_floating=True)
            floating.append((device_id, outside))
    for device_id, outside in floating:
        found[device_id].append(outside)
    return found


def _security_groups(identifiers: Set[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    rows = (
        Port.security_groups.through.objects.filter(port__device_id__any_of=identifiers)
        .order_by("port__device_index", "pk")
        .values_list("port__device_id", "securitygroup__name")
    )
    for device_id, name in rows:
        names = found.setdefault(device_id, [])
        if name not in names:
            names.append(name)
    return found


def _volumes(keys: Set[UUID]) -> dict[str, list[tuple[str, bool]]]:
    found: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    rows = Attachment.objects.filter(server_id__any_of=keys, by_compute=True)
    columns = ("server_id", "volume_id", "delete_on_termination")
    for server_id, volume_id, goes_too in rows.order_by("created_at", "id").values_list(*columns):
        found[str(server_id)].append((str(volume_id), goes_too))
    return found


def _faults(failed: list[UUID]) -> dict[str, ServerFault]:
    if not failed:
        return {}
    rows = ServerFault.objects.filter(server_id__in=failed).order_by("created_at", "pk")
    return {str(fault.server_id): fault for fault in rows}

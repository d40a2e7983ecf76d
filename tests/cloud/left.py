"""What servers leave in the database and on hosts, by kind; runs in the portal's environment."""

from __future__ import annotations

from typing import Any

from hypervisors.connections import connected
from hypervisors.libvirt.pools import STORE_PREFIX
from hypervisors.models import BuildSlot, Hypervisor, StoragePool
from networks.models import FixedIP, NetworkPlace, Port, PortPlace
from operations.models import UNFINISHED, Operation
from quotas.models import Reservation
from scheduling.models import Allocation
from servers.models import Server

BASE_PREFIX = "base-"


def leftovers() -> dict[str, Any]:
    """Everything that should be gone when there is no server; an empty dict when it is."""
    found: dict[str, Any] = {
        "servers": _texts(Server.objects.filter(deleted_at=None)),
        "ports": _texts(Port.objects.all()),
        "addresses": _texts(FixedIP.objects.all()),
        "allocations": _texts(Allocation.objects.all()),
        "quota": _texts(
            Reservation.objects.filter(resource__in=["instances", "cores", "ram", "ports"])
        ),
        "operations": _texts(Operation.objects.filter(state__in=UNFINISHED)),
        "networks on hosts": _texts(NetworkPlace.objects.all()),
        "ports on hosts": _texts(PortPlace.objects.all()),
        "slots": _texts(BuildSlot.objects.all()),
        "claims": [
            f"{host}: {host.vcpus_used} {host.ram_mib_used} {host.disk_gib_used}"
            for host in Hypervisor.objects.all()
            if host.vcpus_used or host.ram_mib_used or host.disk_gib_used
        ],
    }
    for host in Hypervisor.objects.all():
        found.update(_on_host(host))
    return {kind: things for kind, things in found.items() if things}


def _texts(rows: Any) -> list[str]:
    return [str(row) for row in rows]


def _on_host(hypervisor: Hypervisor) -> dict[str, list[str]]:
    with connected(hypervisor) as host:
        volumes = [
            f"{pool.name}/{volume.name}"
            for pool in StoragePool.objects.filter(hypervisor=hypervisor)
            for volume in host.list_volumes(pool.name)
            # The mark by which hosts know a store that they share stays with the store.
            if not volume.name.startswith((BASE_PREFIX, STORE_PREFIX))
        ]
        networks = host.list_networks()
        entries = [f"{name}: {entry}" for name in networks for entry in host.list_dhcp_hosts(name)]
        return {
            f"{hypervisor} guests": [str(guest.name) for guest in host.list_guests(ours_only=True)],
            f"{hypervisor} volumes": volumes,
            f"{hypervisor} DHCP entries": entries,
            f"{hypervisor} filters": list(host.list_filters()),
            f"{hypervisor} VLANs and tunnels": list(host.list_segments()),
        }

"""Ask any host, fake or real, whether something was left behind."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from hypervisors.connections import connected
from hypervisors.disks import BASE_PREFIX
from hypervisors.models import Hypervisor
from hypervisors.pools import POOL


def leftovers(host: Any, server_ids: Iterable[UUID] | None = None) -> list[str]:
    """What there is on a host beside base images; of these servers only, when they are given."""
    ids = None if server_ids is None else [str(each) for each in server_ids]
    found = [f"guest {guest.name}" for guest in host.list_guests(ours_only=True)]
    for pool in host.list_pools():
        if pool.name == POOL.name and pool.is_active:
            names = [volume.name for volume in host.list_volumes(pool.name)]
            found += [f"volume {name}" for name in names if not name.startswith(BASE_PREFIX)]
    if ids is not None:
        return [each for each in found if any(name in each for name in ids)]
    for network in host.list_networks():
        found += [f"DHCP entry {entry.mac}" for entry in host.list_dhcp_hosts(network)]
    # Only a fake one tells; what real ones have of them is looked at by tests of their own.
    found += [f"floating IP {address}" for address in getattr(host, "outside", ())]
    return found + [f"filter {name}" for name in host.list_filters()]


def assert_clean_slate(hypervisor: Hypervisor, server_ids: Iterable[UUID] | None = None) -> None:
    """Ask the host, fake or real: no guest, volume, DHCP entry or filter is left on it."""
    with connected(hypervisor) as host:
        found = leftovers(host, server_ids)
    assert not found, f"{hypervisor.name} still has: {', '.join(found)}"

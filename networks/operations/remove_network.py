"""Takes a deleted network off a host: one operation a host, so that no host holds up another."""

from __future__ import annotations

from hypervisors import links
from hypervisors.models import Hypervisor
from networks.delete import REMOVE_NETWORK
from networks.wiring import libvirt_network_name
from operations.kinds import Context, Kind, Step


def remove_from_host(context: Context) -> None:
    """Stop and forget the libvirt network; a host that never had it, or is gone, is fine."""
    host = Hypervisor.objects.filter(pk=context.params["hypervisor"]).first()
    if host is not None:
        links.remove_nat_network(host, libvirt_network_name(context.params["network"]))


REMOVE = Kind(
    REMOVE_NETWORK,
    # No undo: the network's row is gone, nobody wants it back.
    steps=[Step("remove_from_host", remove_from_host)],
    # The host may be away for weeks; the pauses between tries stay at half a minute.
    retries=None,
    deadline_s=None,
)

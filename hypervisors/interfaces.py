"""Network cards of guests on their hosts; every call may be made twice."""

from __future__ import annotations

from uuid import UUID

from hypervisors.connections import connected
from hypervisors.errors import GuestKeepsDevice, GuestNotFound, NotOnHost
from hypervisors.guests import GuestSpec
from hypervisors.models import Hypervisor

# A guest that boots takes its time until it hears of it.
LET_GO_S = 40.0


def attach_interface(hypervisor: Hypervisor, spec: GuestSpec) -> None:
    """Give the guest the one card of its specification, at once if it runs.

    Raises:
        GuestNotFound: the host does not have the guest, or lacks the card's network or filter.
        HostCannot: the guest has no room for a further device.
    """
    [interface] = spec.interfaces
    try:
        with connected(hypervisor) as host:
            host.attach_interface(spec, interface)
    except NotOnHost as error:
        raise GuestNotFound("The host does not have the guest.", detail=error.detail) from error


def detach_interface(
    hypervisor: Hypervisor, server_id: UUID, *, mac: str, timeout_s: float = LET_GO_S
) -> None:
    """Take the card from the guest, which may have to do its part; absent is fine.

    Raises:
        GuestKeepsDevice: the guest did not let it go in time.
    """
    with connected(hypervisor) as host:
        if not host.detach_interface(server_id, mac, timeout_s):
            raise GuestKeepsDevice("The guest does not let the interface go.", detail=mac)

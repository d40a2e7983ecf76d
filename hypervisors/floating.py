"""Floating IPs of hosts."""

from __future__ import annotations

from collections.abc import Sequence

from cloudportal.errors import Invalid
from hypervisors.connections import connected
from hypervisors.libvirt.floating import FloatingAddress as FloatingAddress
from hypervisors.models import Hypervisor


def apply_floating(
    hypervisor: Hypervisor, wanted: Sequence[FloatingAddress], leaving: Sequence[str]
) -> dict[str, str]:
    """Let the host have these floating IPs and no others; again changes nothing.

    `leaving` are addresses that it may still have. What comes back are the addresses that it
    cannot have, for want of an interface, with the reason.

    Raises:
        HostCannot: it lacks nftables, or libvirt's networks there let nothing in.
        Invalid: an address or a network is none.
    """
    with connected(hypervisor) as host:
        try:
            return host.apply_floating(wanted, leaving)
        except ValueError as error:
            raise Invalid(str(error)) from error

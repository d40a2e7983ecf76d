"""Networks that lie on several hosts: what joins them, and the bridges that they lie on."""

from __future__ import annotations

from uuid import UUID

from cloudportal.errors import Invalid
from hypervisors.connections import connected
from hypervisors.libvirt.network import PlainNetworkSpec
from hypervisors.libvirt.segments import (
    VLAN_IDS,
    VXLAN_IDS,
    VXLAN_OVERHEAD,
    SegmentSpec,
    wire_name,
)
from hypervisors.models import Hypervisor

__all__ = [
    "VLAN_IDS", "VXLAN_IDS", "VXLAN_OVERHEAD", "PlainNetworkSpec", "SegmentSpec",
    "ensure_plain_network", "ensure_segment", "find_bridge", "remove_segment", "segments_on",
    "tunnel_address", "wire_name",
]  # fmt: skip


def ensure_plain_network(hypervisor: Hypervisor, spec: PlainNetworkSpec) -> None:
    """Let the host have the network, running and started with the host.

    Raises:
        TakenOnHost: the host has another network of that name or bridge.
        Invalid: the addresses do not fit each other.
    """
    with connected(hypervisor) as host:
        try:
            host.ensure_network(spec)
        except ValueError as error:
            raise Invalid(str(error)) from error


def ensure_segment(hypervisor: Hypervisor, spec: SegmentSpec, *, is_exact: bool) -> None:
    """Join the network's bridge on the host to the others; again changes nothing.

    Raises:
        HostCannot: the host lacks a program, or the interface of the physical network.
        TakenOnHost: another interface there has the VLAN or the tunnel.
        Invalid: an address or a number is none.
    """
    with connected(hypervisor) as host:
        try:
            host.ensure_segment(spec, is_exact=is_exact)
        except ValueError as error:
            raise Invalid(str(error)) from error


def remove_segment(hypervisor: Hypervisor, network_id: UUID) -> None:
    """Take away what joins the network there. Absent is fine."""
    with connected(hypervisor) as host:
        host.remove_segment(network_id)


def segments_on(hypervisor: Hypervisor) -> list[str]:
    """The names of what joins networks there, sorted."""
    with connected(hypervisor) as host:
        return host.list_segments()


def find_bridge(hypervisor: Hypervisor, name: str) -> str:
    """The kernel's own name of a bridge that the host has.

    Raises:
        HostCannot: it has none of that name.
    """
    with connected(hypervisor) as host:
        return host.find_bridge(name)


def tunnel_address(hypervisor: Hypervisor) -> str:
    """Where other hosts reach this one's tunnels; "" where only itself could."""
    if hypervisor.tunnel_address:
        return hypervisor.tunnel_address
    return "" if hypervisor.host_ip in ("127.0.0.1", "::1") else hypervisor.host_ip

"""What joins networks of several hosts: part of `host.Host`."""

# ruff: noqa: D102 - the protocol says what each method is for

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from hypervisors.libvirt import segments
from hypervisors.libvirt.connection import Connection
from hypervisors.libvirt.segments import SegmentSpec


class HostWithSegments(Protocol):
    """VLANs and tunnels that join a network's bridges."""

    def ensure_segment(self, spec: SegmentSpec, *, is_exact: bool) -> None:
        """Join the network's bridge to those of other hosts."""

    def remove_segment(self, network_id: UUID) -> None:
        """Take away what joins it. Absent is fine."""

    def list_segments(self) -> list[str]:
        """The names of what joins networks there, sorted."""

    def find_bridge(self, name: str) -> str:
        """The kernel's own name of a bridge that somebody else has made."""


class LibvirtSegments:
    """Each method is the driver's function of that name."""

    connection: Connection

    def ensure_segment(self, spec: SegmentSpec, *, is_exact: bool) -> None:
        segments.ensure_segment(self.connection, spec, is_exact=is_exact)

    def remove_segment(self, network_id: UUID) -> None:
        segments.remove_segment(self.connection, network_id)

    def list_segments(self) -> list[str]:
        return segments.list_segments(self.connection)

    def find_bridge(self, name: str) -> str:
        return segments.find_bridge(self.connection, name)

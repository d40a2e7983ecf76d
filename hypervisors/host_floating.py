"""What is done with floating IPs on a host: part of `host.Host`."""

# ruff: noqa: D102 - the protocol says what each method is for

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hypervisors.libvirt import floating
from hypervisors.libvirt.connection import Connection
from hypervisors.libvirt.floating import FloatingAddress


class HostWithFloating(Protocol):
    """Addresses of the outside that lead to guests."""

    def apply_floating(self, staying: Sequence[FloatingAddress], leaving: Sequence[str]) -> None:
        """Have these and no others; those that leave may still be there."""


class LibvirtFloating:
    """Each method is the driver's function of that name."""

    connection: Connection

    def apply_floating(self, staying: Sequence[FloatingAddress], leaving: Sequence[str]) -> None:
        floating.apply_floating(self.connection, staying, leaving)

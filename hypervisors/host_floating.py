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

    def apply_floating(
        self, wanted: Sequence[FloatingAddress], leaving: Sequence[str]
    ) -> dict[str, str]:
        """Have these and no others, as far as there are interfaces; why not the rest."""


class LibvirtFloating:
    """Each method is the driver's function of that name."""

    connection: Connection

    def apply_floating(
        self, wanted: Sequence[FloatingAddress], leaving: Sequence[str]
    ) -> dict[str, str]:
        return floating.apply_floating(self.connection, wanted, leaving)

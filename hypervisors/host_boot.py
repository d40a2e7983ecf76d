"""Which boot a host is in: a part of `host.Host`."""

# ruff: noqa: D102 - the protocol says what each method is for

from __future__ import annotations

from typing import Protocol

from hypervisors.libvirt import kernel
from hypervisors.libvirt.connection import Connection


class HostWithBoot(Protocol):
    """What tells a host that has booted from one that was only out of reach."""

    def boot_id(self) -> str:
        """A name for the present boot of its kernel; "" when nobody can tell."""


class LibvirtBoot:
    """Each method is the driver's function of that name."""

    connection: Connection

    def boot_id(self) -> str:
        return kernel.boot_id(self.connection)

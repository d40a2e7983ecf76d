"""What is done with the disks of guests that are off: a part of `host.Host`."""

from __future__ import annotations

from typing import Protocol

from hypervisors.libvirt import cold
from hypervisors.libvirt.cold import Source
from hypervisors.libvirt.connection import Connection
from hypervisors.libvirt.spec import VolumeInfo


class ColdHost(Protocol):
    """Disks of guests that are off."""

    def receive_disk(
        self, pool: str, name: str, size_bytes: int, backing: str, source: Source
    ) -> VolumeInfo:
        """A disk with the file that `source` gives, over another volume of the pool."""


class LibvirtColdHost:
    """The same by libvirt."""

    connection: Connection

    def receive_disk(
        self, pool: str, name: str, size_bytes: int, backing: str, source: Source
    ) -> VolumeInfo:
        """A disk with the file that `source` gives, over another volume of the pool."""
        return cold.receive_disk(self.connection, pool, name, size_bytes, backing, source)[0]

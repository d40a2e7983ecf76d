"""What the portal does on hosts to copy disks of guests: a part of `host.Host`."""

# ruff: noqa: D102 - the protocol says what each method is for

from __future__ import annotations

from typing import Protocol

from hypervisors.libvirt import disk_copy
from hypervisors.libvirt.connection import Connection
from hypervisors.libvirt.disk_copy import CopyState, DiskCopy


class CopyingHost(Protocol):
    """A host that copies the disks of its guests, running or not."""

    def start_copy(self, copy: DiskCopy) -> CopyState:
        """Begin the copy, or go on with it; of a guest that is off it is whole on return."""

    def copy_state(self, copy: DiskCopy) -> CopyState:
        """How far the copy is."""

    def finish_copy(self, copy: DiskCopy, *, must_be_quiet: bool) -> bool:
        """Cut a copy off that is alike; whether the guest's file systems were at rest."""

    def drop_copy(self, copy: DiskCopy) -> None:
        """End the copying and delete the copy; absent is fine."""

    def read_volume(self, pool: str, name: str, offset: int, length: int) -> bytes:
        """At most so many bytes of a volume's file; none at its end."""


class LibvirtCopyingHost:
    """Each method is the driver's function of that name."""

    connection: Connection

    def start_copy(self, copy: DiskCopy) -> CopyState:
        return disk_copy.start_copy(self.connection, copy)

    def copy_state(self, copy: DiskCopy) -> CopyState:
        return disk_copy.copy_state(self.connection, copy)

    def finish_copy(self, copy: DiskCopy, *, must_be_quiet: bool) -> bool:
        return disk_copy.finish_copy(self.connection, copy, must_be_quiet=must_be_quiet)

    def drop_copy(self, copy: DiskCopy) -> None:
        disk_copy.drop_copy(self.connection, copy)

    def read_volume(self, pool: str, name: str, offset: int, length: int) -> bytes:
        return disk_copy.read_volume(self.connection, pool, name, offset, length)

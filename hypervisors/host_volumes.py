"""What is done with volumes that outlive guests: a part of `host.Host`."""

from __future__ import annotations

from typing import BinaryIO, Protocol
from uuid import UUID

from hypervisors.libvirt import storage, volumes
from hypervisors.libvirt.connection import Connection
from hypervisors.libvirt.spec import DiskSpec, GuestSpec, VolumeInfo
from hypervisors.libvirt.storage import VolumeFormat


class VolumesOfHost(Protocol):
    """Volumes, and the disks that they are to guests."""

    def copy_volume(
        self,
        pool: str,
        name: str,
        source: str,
        size_bytes: int = 0,
        kind: VolumeFormat | None = None,
    ) -> VolumeInfo:
        """A volume of its own with the content of another one of the pool, in its format."""

    def resize_volume(self, pool: str, name: str, size_bytes: int) -> VolumeInfo:
        """Let the volume grow to that size."""

    def send_volume(self, pool: str, name: str, sink: BinaryIO) -> str:
        """Write the volume's file to `sink`; its checksum."""

    def receive_volume(self, pool: str, name: str, size_bytes: int, source: BinaryIO) -> str:
        """A volume with the file that `source` gives; its checksum."""

    def mark_verified(self, pool: str, name: str) -> None:
        """Say of a volume that it is whole."""

    def attach_disk(self, spec: GuestSpec, disk: DiskSpec) -> None:
        """Give the guest the disk, at once if it runs."""

    def detach_disk(self, uuid: UUID, serial: str, timeout_s: float) -> bool:
        """Take the disk from the guest; False if the guest did not let it go in time."""

    def has_disk(self, uuid: UUID, serial: str) -> bool:
        """Whether the guest has the disk; no guest has none."""

    def grow_disk(self, uuid: UUID, serial: str, size_bytes: int) -> bool:
        """Let a running guest's disk grow; False where the guest does not run."""


class LibvirtVolumes:
    """The same by libvirt."""

    connection: Connection

    def copy_volume(
        self,
        pool: str,
        name: str,
        source: str,
        size_bytes: int = 0,
        kind: VolumeFormat | None = None,
    ) -> VolumeInfo:
        """A volume of its own with the content of another one of the pool, in its format."""
        return volumes.copy_volume(self.connection, pool, name, source, size_bytes, kind)

    def resize_volume(self, pool: str, name: str, size_bytes: int) -> VolumeInfo:
        """Let the volume grow to that size."""
        return storage.resize_volume(self.connection, pool, name, size_bytes)

    def send_volume(self, pool: str, name: str, sink: BinaryIO) -> str:
        """Write the volume's file to `sink`; its checksum."""
        return volumes.send_volume(self.connection, pool, name, sink)

    def receive_volume(self, pool: str, name: str, size_bytes: int, source: BinaryIO) -> str:
        """A volume with the file that `source` gives; its checksum."""
        return volumes.receive_volume(self.connection, pool, name, size_bytes, source)

    def mark_verified(self, pool: str, name: str) -> None:
        """Say of a volume that it is whole."""
        volumes.mark_verified(self.connection, pool, name)

    def attach_disk(self, spec: GuestSpec, disk: DiskSpec) -> None:
        """Give the guest the disk, at once if it runs."""
        volumes.attach_disk(self.connection, spec, disk)

    def detach_disk(self, uuid: UUID, serial: str, timeout_s: float) -> bool:
        """Take the disk from the guest; False if the guest did not let it go in time."""
        return volumes.detach_disk(self.connection, uuid, serial, timeout_s)

    def has_disk(self, uuid: UUID, serial: str) -> bool:
        """Whether the guest has the disk; no guest has none."""
        return volumes.has_disk(self.connection, uuid, serial)

    def grow_disk(self, uuid: UUID, serial: str, size_bytes: int) -> bool:
        """Let a running guest's disk grow; False where the guest does not run."""
        return volumes.grow_disk(self.connection, uuid, serial, size_bytes)

"""The volumes of a fake host that outlive its guests."""

import dataclasses
import hashlib
from typing import BinaryIO
from uuid import UUID

from hypervisors.libvirt.errors import NotThere
from hypervisors.libvirt.spec import DiskSpec, GuestSpec, VolumeInfo
from hypervisors.libvirt.storage import VolumeFormat
from tests.hypervisors.fake_guests import FakeGuests
from tests.hypervisors.fake_pools import FakeVolume, counted_call


class FakeVolumes(FakeGuests):
    """What a fake host does with them. `keeps_disks`: its guests let none go while they run."""

    def __init__(self) -> None:
        super().__init__()
        self.keeps_disks = False

    @counted_call
    def copy_volume(
        self,
        pool: str,
        name: str,
        source: str,
        size_bytes: int = 0,
        kind: VolumeFormat | None = None,
    ) -> VolumeInfo:
        volumes, original = self._pool(pool).volumes, self._volume(pool, source)
        if f"{name}.verified" not in volumes:
            # Half of it is there before anybody notices that something is wrong.
            volumes[name] = FakeVolume(name, kind or original.format, original.capacity)
            self._pass("inside copy_volume")
            below = self._volume(pool, original.backing).content if original.backing else b""
            volumes[name].content = original.content or below
            volumes[name].capacity = max(size_bytes, original.capacity)
            volumes[f"{name}.verified"] = FakeVolume(f"{name}.verified", "raw", 0)
        return self._volume_info(pool, name)

    @counted_call
    def resize_volume(self, pool: str, name: str, size_bytes: int) -> VolumeInfo:
        volume = self._volume(pool, name)
        volume.capacity = max(size_bytes, volume.capacity)
        return self._volume_info(pool, name)

    @counted_call
    def send_volume(self, pool: str, name: str, sink: BinaryIO) -> str:
        content = self._volume(pool, name).content
        sink.write(content)
        return hashlib.sha256(content).hexdigest()

    def receive_volume(self, pool: str, name: str, size_bytes: int, source: BinaryIO) -> str:
        # Read before the host's file is held: who sends needs it, too.
        return self.take_volume(pool, name, size_bytes, source.read())

    @counted_call
    def take_volume(self, pool: str, name: str, size_bytes: int, content: bytes) -> str:
        volumes = self._pool(pool).volumes
        volumes[name] = FakeVolume(name, "qcow2", size_bytes)
        self._pass("inside receive_volume")
        volumes[name].content = content
        return hashlib.sha256(content).hexdigest()

    @counted_call
    def mark_verified(self, pool: str, name: str) -> None:
        volumes = self._pool(pool).volumes
        volumes.setdefault(f"{name}.verified", FakeVolume(f"{name}.verified", "raw", 0))

    @counted_call
    def attach_disk(self, spec: GuestSpec, disk: DiskSpec) -> None:
        guest = self._guest(spec.uuid)
        self._volume(disk.pool, disk.volume)
        if not self._has(spec.uuid, str(disk.serial)):
            guest.spec = dataclasses.replace(guest.spec, disks=(*guest.spec.disks, disk))

    @counted_call
    def detach_disk(self, uuid: UUID, serial: str, timeout_s: float) -> bool:
        if not self._has(uuid, serial):
            return True
        guest = self._guest(uuid)
        if self.keeps_disks and guest.power_state != "shutdown":
            return False
        disks = tuple(disk for disk in guest.spec.disks if disk.serial != serial)
        guest.spec = dataclasses.replace(guest.spec, disks=disks)
        return True

    @counted_call
    def has_disk(self, uuid: UUID, serial: str) -> bool:
        return self._has(uuid, serial)

    @counted_call
    def grow_disk(self, uuid: UUID, serial: str, size_bytes: int) -> bool:
        guest = self._guest(uuid)
        if guest.power_state == "shutdown":
            return False
        disk = next((each for each in guest.spec.disks if each.serial == serial), None)
        if disk is None:
            raise NotThere(f"The guest {uuid} has no disk {serial}.")
        volume = self._volume(disk.pool, disk.volume)
        volume.capacity = max(size_bytes, volume.capacity)
        return True

    def _has(self, uuid: UUID, serial: str) -> bool:
        guest = self.guests.get(uuid)
        return guest is not None and any(disk.serial == serial for disk in guest.spec.disks)

"""Copies of the disks of a fake host's guests; the second look at one finds it alike."""

import struct
from uuid import UUID

from hypervisors.libvirt.disk_copy import CopyState, DiskCopy
from hypervisors.libvirt.errors import Busy, DriverError, Unsupported
from tests.hypervisors.fake_guests import FakeGuests
from tests.hypervisors.fake_pools import FakeVolume, counted_call

_WHOLE = CopyState(is_whole=True)
_CLUSTER = 0x10000


class FakeCopies(FakeGuests):
    """What a fake host copies. `copying` are the volumes that running guests' disks go to."""

    def __init__(self) -> None:
        super().__init__()
        self.copying: dict[UUID, str] = {}

    @counted_call
    def start_copy(self, copy: DiskCopy) -> CopyState:
        if self._is_whole(copy):
            return _WHOLE
        source = self._volume(copy.pool, copy.source)
        job = self._job(copy)
        if job not in (None, copy.name):
            raise Busy("The disk is being copied for something else.")
        if job == copy.name:
            return CopyState(is_alike=True)
        volumes = self._pool(copy.place).volumes
        volumes[copy.name] = FakeVolume(copy.name, "qcow2", source.capacity, _half(source))
        self.copying.pop(copy.guest, None)
        if self._is_on(copy):
            self.copying[copy.guest] = copy.name
            return CopyState(total_bytes=source.capacity)
        if self.memory is not None:
            self.memory.write()
        self._pass("inside start_copy")
        self._finish(copy)
        return _WHOLE

    @counted_call
    def copy_state(self, copy: DiskCopy) -> CopyState:
        if self._is_whole(copy):
            return _WHOLE
        self._check_goes_on(copy)
        return CopyState(is_alike=True)

    @counted_call
    def finish_copy(self, copy: DiskCopy, *, must_be_quiet: bool) -> bool:
        if self._is_whole(copy):
            return False
        self._check_goes_on(copy)
        if must_be_quiet:
            raise Unsupported("The guest's file systems cannot be put to rest: no agent answers.")
        del self.copying[copy.guest]
        self._finish(copy)
        return False

    @counted_call
    def drop_copy(self, copy: DiskCopy) -> None:
        if self.copying.get(copy.guest) == copy.name:
            del self.copying[copy.guest]
        if copy.place in self.pools:
            for name in (copy.name, f"{copy.name}.verified"):
                self.pools[copy.place].volumes.pop(name, None)

    @counted_call
    def read_volume(self, pool: str, name: str, offset: int, length: int) -> bytes:
        return self._volume(pool, name).content[offset : offset + length]

    def _is_on(self, copy: DiskCopy) -> bool:
        guest = self.guests.get(copy.guest)
        return guest is not None and guest.power_state != "shutdown"

    def _job(self, copy: DiskCopy) -> str | None:
        return self.copying.get(copy.guest) if self._is_on(copy) else None

    def _check_goes_on(self, copy: DiskCopy) -> None:
        if not self._is_on(copy):
            raise Busy("The guest stopped while its disk was copied.")
        if self._job(copy) != copy.name or copy.name not in self._pool(copy.place).volumes:
            raise DriverError("The copying broke off.")

    def _is_whole(self, copy: DiskCopy) -> bool:
        volumes = self._pool(copy.place).volumes
        return copy.name in volumes and f"{copy.name}.verified" in volumes

    def _finish(self, copy: DiskCopy) -> None:
        volumes = self._pool(copy.place).volumes
        source = self._volume(copy.pool, copy.source)
        content = source.content
        if not content and source.backing is not None:
            content = self._volume(copy.pool, source.backing).content
        volumes[copy.name].content = qcow2_of(source.capacity, content)
        mark = f"{copy.name}.verified"
        volumes[mark] = FakeVolume(mark, "raw", 0)


def qcow2_of(capacity: int, payload: bytes) -> bytes:
    """A file with a qcow2's header that nothing is wrong with, and this at its end."""
    header = struct.pack(
        ">4sIQIIQIIQQIIQ",
        *(b"QFI\xfb", 3, 0, 0, 16, capacity, 0),
        *(-(-capacity // (512 * 1024**2)), 3 * _CLUSTER, _CLUSTER, 1, 0, 0),
    )
    header += struct.pack(">QQQII", 0, 0, 0, 4, 104)
    return header.ljust(4 * _CLUSTER, b"\0") + payload


def _half(volume: FakeVolume) -> bytes:
    return volume.content[: len(volume.content) // 2]

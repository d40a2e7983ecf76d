"""The disks of a fake host's guests that are off."""

import dataclasses
import hashlib
from typing import BinaryIO

from hypervisors.libvirt.cold import Source
from hypervisors.libvirt.errors import NotThere
from hypervisors.libvirt.spec import VolumeInfo
from tests.hypervisors.fake_pools import FakePools, FakeVolume, counted_call


class FakeCold(FakePools):
    """What a fake host does with them."""

    @counted_call
    def receive_disk(
        self, pool: str, name: str, size_bytes: int, backing: str, source: Source
    ) -> VolumeInfo:
        volumes = self._pool(pool).volumes
        if backing and backing not in volumes:
            raise NotThere(f"no storage vol with matching name '{backing}'")
        # Half of it is there before the rest comes.
        volumes[name] = FakeVolume(name, "qcow2", size_bytes, b"", backing or None)
        if self.memory is not None:
            self.memory.write()
        self._pass("inside receive_disk")
        content = b""
        while piece := source.read(4096):
            content += piece
        volumes[name] = FakeVolume(name, "qcow2", size_bytes, content, backing or None)
        return self._volume_info(pool, name)

    @counted_call
    def send_volume(self, pool: str, name: str, sink: BinaryIO) -> str:
        content = self._volume(pool, name).content
        sink.write(content)
        return hashlib.sha256(content).hexdigest()

    @counted_call
    def resize_volume(self, pool: str, name: str, size_bytes: int) -> VolumeInfo:
        volume = self._volume(pool, name)
        volume.capacity = max(volume.capacity, size_bytes)
        return self._volume_info(pool, name)

    @counted_call
    def clone_volume(self, pool: str, name: str, source: str) -> VolumeInfo:
        volumes = self._pool(pool).volumes
        if f"{name}.verified" not in volumes:
            original = self._volume(pool, source)
            volumes[name] = dataclasses.replace(original, name=name, content=b"")
            if self.memory is not None:
                self.memory.write()
            self._pass("inside clone_volume")
            volumes[name] = dataclasses.replace(original, name=name)
            volumes[f"{name}.verified"] = FakeVolume(f"{name}.verified", "raw", 0)
        return self._volume_info(pool, name)

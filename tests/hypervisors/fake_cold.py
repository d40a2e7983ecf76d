"""The disks of a fake host's guests that are off."""

import dataclasses

from hypervisors.libvirt.cold import Source
from hypervisors.libvirt.errors import NotThere
from hypervisors.libvirt.spec import VolumeInfo
from tests.hypervisors.fake_pools import FakePools, FakeVolume, counted_call


class FakeCold(FakePools):
    """What a fake host does with them."""

    def receive_disk(
        self, pool: str, name: str, size_bytes: int, backing: str, source: Source
    ) -> VolumeInfo:
        # Read before the host's file is held: who sends needs it, too.
        content = b""
        while piece := source.read(4096):
            content += piece
        return self.take_disk(pool, FakeVolume(name, "qcow2", size_bytes, content, backing or None))

    @counted_call
    def take_disk(self, pool: str, volume: FakeVolume) -> VolumeInfo:
        volumes = self._pool(pool).volumes
        if volume.backing and volume.backing not in volumes:
            raise NotThere(f"no storage vol with matching name '{volume.backing}'")
        # Half of it is there before the rest comes.
        volumes[volume.name] = dataclasses.replace(volume, content=b"")
        if self.memory is not None:
            self.memory.write()
        self._pass("inside receive_disk")
        volumes[volume.name] = volume
        return self._volume_info(pool, volume.name)

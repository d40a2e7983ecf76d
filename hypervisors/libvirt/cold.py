"""Disks of guests that are off, brought to another host as they are.

What is brought there lies over the same base volume, so only what the guest wrote is sent.
"""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

from hypervisors.libvirt.connection import Beat, Connection
from hypervisors.libvirt.errors import Corrupted
from hypervisors.libvirt.qcow2 import HEAD_BYTES, rebased
from hypervisors.libvirt.spec import VolumeInfo
from hypervisors.libvirt.storage import (
    describe_volume,
    find,
    find_volume,
    volume_xml,
)
from hypervisors.libvirt.transfer import CHUNK_BYTES, STALL_S, receive


class Source(Protocol):
    """Where the bytes of a disk come from."""

    def read(self, size: int, /) -> bytes:
        """So many bytes; fewer at the end, then none."""


def receive_disk(
    connection: Connection, pool: str, name: str, size_bytes: int, backing: str, source: Source
) -> tuple[VolumeInfo, str]:
    """A qcow2 volume with the file that `source` gives, over the volume `backing` of this pool.

    It takes the place of half of one. `backing` is "" for a disk that lies over nothing. With it
    comes the checksum in hex of the file, as it was read back.

    Raises:
        NotThere: no such pool or backing volume.
        Corrupted: what was read back is not what was sent.
        PoolFull: it does not fit.
    """
    beat = Beat()

    def run(raw: Any) -> tuple[VolumeInfo, str]:
        stale = find_volume(raw, pool, name)
        if stale is not None:
            stale.delete(0)
        found = raw.storagePoolLookupByName(pool)
        base = describe_volume(found.storageVolLookupByName(backing)) if backing else None
        store = None if base is None else (base.path, base.format or "raw")
        volume = found.createXML(volume_xml(name, size_bytes, "qcow2", store), 0)
        sent = _upload(raw, volume, source, "" if base is None else base.path, beat)
        kept = hashlib.sha256()
        receive(raw, volume, (0, 0), kept.update, beat)
        if kept.hexdigest() != sent:
            raise Corrupted(f"The volume {name} was not read back as it was sent.")
        return describe_volume(volume), sent

    return connection.call(run, deadline_s=STALL_S, beat=beat)


def _upload(raw: Any, volume: Any, source: Source, base: str, beat: Beat) -> str:
    digest = hashlib.sha256()
    stream = raw.newStream(0)
    volume.upload(stream, 0, 0, 0)
    try:
        piece = rebased(source.read(HEAD_BYTES), base)
        while piece:
            digest.update(piece)
            while piece:
                piece = piece[stream.send(piece[:CHUNK_BYTES]) :]
                beat.touch()
            piece = source.read(CHUNK_BYTES)
        stream.finish()
    except BaseException:
        find(stream.abort)
        raise
    return digest.hexdigest()

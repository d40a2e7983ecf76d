"""Disks of guests that are off: brought to another host as they are, or kept beside in the pool.

What is brought to another host lies over the same base volume there, so only what the guest wrote
is sent. What is kept beside is whole in itself: libvirt copies no overlay as one.
"""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

import libvirt

from hypervisors.libvirt.connection import Beat, Connection, on_host
from hypervisors.libvirt.errors import Busy, Corrupted, DriverError, translated
from hypervisors.libvirt.qcow2 import HEAD_BYTES, rebased
from hypervisors.libvirt.spec import VolumeInfo
from hypervisors.libvirt.storage import (
    VERIFIED_SUFFIX,
    VolumeFormat,
    describe_volume,
    find,
    find_volume,
    volume_xml,
)
from hypervisors.libvirt.transfer import CHUNK_BYTES, STALL_S, receive

_CLONE_S = 6 * 3600.0


class Source(Protocol):
    """Where the bytes of a disk come from."""

    def read(self, size: int, /) -> bytes:
        """So many bytes; fewer at the end, then none."""


def receive_disk(
    connection: Connection, pool: str, name: str, size_bytes: int, backing: str, source: Source
) -> VolumeInfo:
    """A qcow2 volume with the file that `source` gives, over the volume `backing` of this pool.

    It takes the place of half of one. `backing` is "" for a disk that lies over nothing.

    Raises:
        NotThere: no such pool or backing volume.
        Corrupted: what was read back is not what was sent.
        PoolFull: it does not fit.
    """
    beat = Beat()

    def run(raw: Any) -> VolumeInfo:
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
        return describe_volume(volume)

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


@on_host(_CLONE_S)
def clone_volume(raw: Any, pool: str, name: str, source: str) -> VolumeInfo:
    """A volume with all the content of another one of the pool, over nothing; made once.

    Raises:
        NotThere: no such pool or source.
        Busy: half of it is still being made.
        PoolFull: it does not fit.
    """
    found = raw.storagePoolLookupByName(pool)
    if find_volume(raw, pool, name + VERIFIED_SUFFIX) is None:
        stale = find_volume(raw, pool, name)
        if stale is not None:
            _delete_half(stale)
        original = found.storageVolLookupByName(source)
        found.createXMLFrom(_like(name, original), original, 0)
        found.createXML(volume_xml(name + VERIFIED_SUFFIX, 0, "raw"), 0)
    return describe_volume(found.storageVolLookupByName(name))


def _like(name: str, original: Any) -> str:
    info = describe_volume(original)
    kind: VolumeFormat = "qcow2" if info.format == "qcow2" else "raw"
    # Told of a base, libvirt copies its content all the same, and then takes the copy for an
    # overlay until it looks into the file.
    return volume_xml(name, info.capacity_bytes, kind)


def _delete_half(volume: Any) -> None:
    """What a worker left half done libvirt may still be at, and refuses to delete."""
    try:
        with translated():
            find(volume.delete, 0)
    except DriverError as error:
        if error.code != libvirt.VIR_ERR_OPERATION_INVALID:
            raise
        raise Busy(f"The volume {volume.name()} is still being made.") from error

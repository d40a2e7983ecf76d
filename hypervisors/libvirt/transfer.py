"""Bytes into and out of volumes, by libvirt's streams; what was sent is read back and compared.

Volumes cannot be renamed and a worker may die at any byte, so a finished upload is told from half
of one by a second, empty volume made last (`storage.VERIFIED_SUFFIX`). One name must have one
writer at a time: its caller holds the lock, as only the portal's database can.
"""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import libvirt

from hypervisors.libvirt.connection import Beat, Connection
from hypervisors.libvirt.errors import Corrupted, DriverError
from hypervisors.libvirt.spec import VolumeInfo
from hypervisors.libvirt.storage import (
    VERIFIED_SUFFIX,
    VolumeFormat,
    describe_volume,
    find_volume,
    volume_xml,
)

CHUNK_BYTES = 256 * 1024
STALL_S = 60.0  # a transfer that moves nothing for so long has failed
_ZEROS = bytes(CHUNK_BYTES)
_QCOW2_MAGIC = b"QFI\xfb"


def upload_image(
    connection: Connection,
    pool: str,
    name: str,
    source: Path,
    *,
    kind: VolumeFormat,
    sha256: str | None = None,
) -> VolumeInfo:
    """Bring an image file into the pool, once; a volume already verified is left alone.

    Args:
        connection: to the host.
        pool: an active pool.
        name: of the volume; callers put the image's id and checksum into it.
        source: the file on this machine.
        kind: the file's format.
        sha256: the file's checksum, in hex, where known; else it is taken while sending.

    Raises:
        Corrupted: the file or what was read back differs from the checksum.
        PoolFull: it does not fit.
    """
    beat = Beat()

    def run(raw: Any) -> VolumeInfo:
        done = find_volume(raw, pool, name + VERIFIED_SUFFIX)
        volume = find_volume(raw, pool, name)
        if done is not None and volume is not None:
            return describe_volume(volume)
        if done is not None:
            done.delete(0)
        with source.open("rb") as file:
            _replace(raw, (pool, name, kind), file, sha256, beat)
        found = raw.storagePoolLookupByName(pool)
        found.createXML(volume_xml(name + VERIFIED_SUFFIX, 0, "raw"), 0)
        return describe_volume(found.storageVolLookupByName(name))

    return connection.call(run, deadline_s=STALL_S, beat=beat)


def put_content(connection: Connection, pool: str, name: str, content: bytes) -> VolumeInfo:
    """A raw volume with exactly this content, in place of what it had.

    Raises:
        Corrupted: what was read back is not it.
        PoolFull: it does not fit.
    """
    beat = Beat()

    def run(raw: Any) -> VolumeInfo:
        _replace(raw, (pool, name, "raw"), io.BytesIO(content), None, beat)
        found = raw.storagePoolLookupByName(pool)
        return describe_volume(found.storageVolLookupByName(name))

    return connection.call(run, deadline_s=STALL_S, beat=beat)


def get_content(
    connection: Connection, pool: str, name: str, *, offset: int = 0, length: int = 0
) -> bytes:
    """The volume's bytes from an offset, at most `length` of them; 0 is to its end.

    Raises:
        NotThere: no such pool or volume.
    """
    beat = Beat()

    def run(raw: Any) -> bytes:
        volume = raw.storagePoolLookupByName(pool).storageVolLookupByName(name)
        gathered = bytearray()
        receive(raw, volume, (offset, length), gathered.extend, beat)
        return bytes(gathered)

    return connection.call(run, deadline_s=STALL_S, beat=beat)


def receive(
    raw: Any,
    volume: Any,
    span: tuple[int, int],
    take: Callable[[bytes], object],
    beat: Beat,
) -> None:
    """Hand the volume's bytes of a span (offset, length) to `take`, piece by piece."""
    stream = raw.newStream(0)
    offset, length = span
    volume.download(stream, offset, length, 0)
    try:
        while piece := stream.recv(CHUNK_BYTES):
            take(piece)
            beat.touch()
        stream.finish()
    except BaseException:
        _abort(stream)
        raise


def _replace(
    raw: Any,
    place: tuple[str, str, VolumeFormat],
    file: BinaryIO,
    sha256: str | None,
    beat: Beat,
) -> None:
    pool, name, kind = place
    length = file.seek(0, io.SEEK_END)
    capacity = _virtual_size(file) if kind == "qcow2" else length
    stale = find_volume(raw, pool, name)
    if stale is not None:
        stale.delete(0)  # half of an upload, or of another size
    volume = raw.storagePoolLookupByName(pool).createXML(volume_xml(name, capacity, kind), 0)
    file.seek(0)
    sent = _send(raw, volume, file, length, beat) if length else hashlib.sha256(b"").hexdigest()
    if sha256 is not None and sent != sha256:
        raise Corrupted(f"The file for volume {name} does not have the checksum {sha256}.")
    kept = hashlib.sha256()
    if length:
        receive(raw, volume, (0, length), kept.update, beat)
    if kept.hexdigest() != sent:
        raise Corrupted(f"The volume {name} was not read back as it was sent.")


def _virtual_size(file: BinaryIO) -> int:
    """Source: QEMU, docs/interop/qcow2.txt: magic at 0, size in bytes at 24, big-endian."""
    file.seek(0)
    header = file.read(32)
    if len(header) < 32 or not header.startswith(_QCOW2_MAGIC):
        raise DriverError("The file is not a qcow2 image.")
    return int.from_bytes(header[24:32], "big")


def _send(raw: Any, volume: Any, file: BinaryIO, length: int, beat: Beat) -> str:
    """Send the file as a sparse stream; its checksum in hex.

    Only a new raw volume is all zeros: in a qcow2 one a hole would leave its own header's tables.
    """
    is_sparse = describe_volume(volume).format == "raw"
    flags = libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM if is_sparse else 0
    digest = hashlib.sha256()
    stream = raw.newStream(0)
    volume.upload(stream, 0, length, flags)
    try:
        while piece := file.read(CHUNK_BYTES):
            digest.update(piece)
            if is_sparse and piece == _ZEROS[: len(piece)]:
                stream.sendHole(len(piece), 0)
            else:
                _send_all(stream, piece)
            beat.touch()
        stream.finish()
    except BaseException:
        _abort(stream)
        raise
    return digest.hexdigest()


def _send_all(stream: Any, piece: bytes) -> None:
    while piece:
        piece = piece[stream.send(piece) :]


def _abort(stream: Any) -> None:
    try:
        stream.abort()
    except libvirt.libvirtError:
        return  # the error that led here says more

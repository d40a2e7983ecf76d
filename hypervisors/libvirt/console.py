"""A guest's serial log, read without a shell on the host.

virtlogd writes the log to a file; that file is a volume of a directory pool, made before the guest
starts, so the storage API can read it and no pool has to be looked through again. virtlogd renames
a full log (2 MiB by default) to `.0`, the one before to `.1` and `.2`: `.0` is made beforehand too,
the others are looked for when the log is removed.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from hypervisors.libvirt.connection import Beat, Connection, on_host
from hypervisors.libvirt.storage import find, find_volume, volume_xml
from hypervisors.libvirt.transfer import receive

_READ_S = 30.0
_OLDER = (".1", ".2")


@dataclass(frozen=True)
class ConsoleLog:
    """A piece of the log and where to go on in the file virtlogd now writes."""

    content: bytes
    next_offset: int


def log_name(uuid: UUID) -> str:
    """The name of the log's volume."""
    return f"{uuid}_console.log"


@on_host()
def prepare_console_log(raw: Any, pool: str, uuid: UUID) -> str:
    """Make the log's volumes where they are not yet; the path for the guest's definition.

    Raises:
        NotThere: no such pool.
    """
    found = raw.storagePoolLookupByName(pool)
    for name in (log_name(uuid), f"{log_name(uuid)}.0"):
        if find(found.storageVolLookupByName, name) is None:
            found.createXML(volume_xml(name, 0, "raw"), 0)
    return str(found.storageVolLookupByName(log_name(uuid)).path())


def read_console_log(
    connection: Connection,
    pool: str,
    uuid: UUID,
    *,
    offset: int | None = None,
    max_bytes: int = 1024 * 1024,
) -> ConsoleLog:
    """The end of the log, or what follows an offset; empty where there is no log.

    Without an offset at most `max_bytes` from the end are given, reaching back over one change of
    files. With one that lies behind the file's end, as after a change of files, reading begins at
    the file's start.
    """
    beat = Beat()

    def run(raw: Any) -> ConsoleLog:
        volume = find_volume(raw, pool, log_name(uuid))
        if volume is None:
            return ConsoleLog(b"", 0)
        size = volume.info()[1]
        start = max(0, size - max_bytes) if offset is None else offset
        start = start if start <= size else 0
        content = _read(raw, volume, (start, min(max_bytes, size - start)), beat)
        next_offset = start + len(content)
        if offset is None and len(content) < max_bytes:
            content = _older_tail(raw, (pool, uuid), max_bytes - len(content), beat) + content
        return ConsoleLog(content, next_offset)

    return connection.call(run, deadline_s=_READ_S, beat=beat)


@on_host(60.0)
def remove_console_log(raw: Any, pool: str, uuid: UUID) -> None:
    """Delete the log and its older files. Absent is fine, also the pool."""
    found = find(raw.storagePoolLookupByName, pool)
    if found is None:
        return
    name = log_name(uuid)
    rotated = find_volume(raw, pool, f"{name}.0")
    if rotated is not None and rotated.info()[1] > 0:
        found.refresh()  # virtlogd made files libvirt has not seen
    for each in (name, f"{name}.0", *(name + suffix for suffix in _OLDER)):
        volume = find_volume(raw, pool, each)
        if volume is not None:
            find(volume.delete, 0)


def _older_tail(raw: Any, place: tuple[str, UUID], length: int, beat: Beat) -> bytes:
    pool, uuid = place
    volume = find_volume(raw, pool, f"{log_name(uuid)}.0")
    size = 0 if volume is None else volume.info()[1]
    start = max(0, size - length)
    return _read(raw, volume, (start, size - start), beat)


def _read(raw: Any, volume: Any, span: tuple[int, int], beat: Beat) -> bytes:
    gathered = bytearray()
    if span[1] > 0:  # to libvirt a length of 0 means all there is
        receive(raw, volume, span, gathered.extend, beat)
    return bytes(gathered)

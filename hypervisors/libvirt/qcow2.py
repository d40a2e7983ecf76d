"""The header of a qcow2 file, as far as the file it lies over is concerned.

Source: QEMU, docs/interop/qcow2.txt: magic at 0, offset and length of the backing file's name at 8
and 16, cluster bits at 20, all big-endian. The name is in the first cluster, after all else.
"""

from __future__ import annotations

from hypervisors.libvirt.errors import DriverError

MAGIC = b"QFI\xfb"
# The largest first cluster there is.
HEAD_BYTES = 2 * 1024**2
_LEAST = 32
_NAME_LIMIT = 1023


def rebased(head: bytes, path: str) -> bytes:
    """The beginning of the file (its first cluster at least), as lying over the file at `path`.

    One of a file that lies over nothing is for a `path` of "" and stays as it is.

    Raises:
        DriverError: it is no qcow2 file, lies over nothing, or has no room for the path.
    """
    if len(head) < _LEAST or not head.startswith(MAGIC):
        raise DriverError("The file is not a qcow2 image.")
    offset, length = int.from_bytes(head[8:16], "big"), int.from_bytes(head[16:20], "big")
    if bool(offset) != bool(path):
        raise DriverError("The disk lies over another file than was expected.")
    if not offset:
        return head
    name = path.encode()
    end = min(len(head), 1 << int.from_bytes(head[20:24], "big"))
    room = end - offset
    if len(name) > min(room, _NAME_LIMIT) or any(head[offset + length : offset + len(name)]):
        raise DriverError("The disk's header has no room for the path of what it lies over.")
    changed = bytearray(head)
    changed[offset : offset + max(length, len(name))] = name.ljust(length, b"\0")
    changed[16:20] = len(name).to_bytes(4, "big")
    return bytes(changed)

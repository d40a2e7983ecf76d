"""A swap disk as bytes: a qcow2 image whose one written cluster holds the swap signature.

The portal runs no program on a host, so what `mkswap` would do there is done here.
"""

from __future__ import annotations

import struct
from uuid import UUID

_CLUSTER_BITS = 16
_CLUSTER = 1 << _CLUSTER_BITS
_PAGE = 4096
_COPIED = 1 << 63


def swap_disk(size_bytes: int, uuid: UUID) -> bytes:
    """A qcow2 image of an empty, formatted swap area.

    Sources: QEMU, docs/interop/qcow2.txt (version 3: header, refcount table, refcount block, L1 and
    L2 table, data); Linux, include/linux/swap.h (union swap_header).
    """
    l1_entries = -(-size_bytes // (_CLUSTER * _CLUSTER // 8))
    l1_clusters = -(-l1_entries * 8 // _CLUSTER)
    refcount_table, refcount_block, l1_table = (_CLUSTER * number for number in (1, 2, 3))
    l2_table = l1_table + l1_clusters * _CLUSTER
    data = l2_table + _CLUSTER
    image = bytearray(data + _CLUSTER)
    struct.pack_into(
        ">4sIQIIQIIQQIIQQQQII", image, 0,
        b"QFI\xfb", 3, 0, 0, _CLUSTER_BITS, size_bytes, 0, l1_entries, l1_table, refcount_table,
        1, 0, 0, 0, 0, 0, 4, 104,
    )  # fmt: skip
    struct.pack_into(">Q", image, refcount_table, refcount_block)
    clusters = len(image) // _CLUSTER
    struct.pack_into(f">{clusters}H", image, refcount_block, *[1] * clusters)
    struct.pack_into(">Q", image, l1_table, l2_table | _COPIED)
    struct.pack_into(">Q", image, l2_table, data | _COPIED)
    image[data : data + _PAGE] = _swap_page(size_bytes, uuid)
    return bytes(image)


def _swap_page(size_bytes: int, uuid: UUID) -> bytes:
    page = bytearray(_PAGE)
    struct.pack_into("<III16s", page, 1024, 1, size_bytes // _PAGE - 1, 0, uuid.bytes)
    page[-10:] = b"SWAPSPACE2"
    return bytes(page)

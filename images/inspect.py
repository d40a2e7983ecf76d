"""Looks into image files before any host does: is it what it says, and safe to open?

A disk image can name other files (a backing file, a data file, a snapshot's parent) that QEMU on
the host would open for the guest. So the headers are parsed here, and what refers to anything
outside the file is refused. Source of the layout: QEMU, docs/interop/qcow2.rst.
"""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from images.errors import WrongContent

# Larger virtual sizes are refused: no pool holds them, and the number is then more likely a lie.
MAX_VIRTUAL_SIZE = 64 * 1024**4

_QCOW2_MAGIC = b"QFI\xfb"
_MAGICS: tuple[tuple[int, bytes, str], ...] = (
    (0, _QCOW2_MAGIC, "qcow2"),
    (0, b"QED\0", "qed"),
    (0, b"KDMV", "vmdk"),
    (0, b"COWD", "vmdk"),
    (0, b"# Disk DescriptorFile", "vmdk"),
    (0, b"conectix", "vhd"),
    (0, b"vhdxfile", "vhdx"),
    (0, b"WithoutFreeSpace", "ploop"),
    (0, b"WithouFreSpacExt", "ploop"),
    (0, b"LUKS\xba\xbe", "luks"),
    (0, b"Bochs Virtual HD Image", "bochs"),
    (0, b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop", "cloop"),
    (0x40, b"\x7f\x10\xda\xbe", "vdi"),
    (0x8001, b"CD001", "iso"),
)
# The descriptor of a VMDK is a text whose extents may be any files of the host. QEMU takes it for
# one also behind comments and blank lines. Source: QEMU, block/vmdk.c, vmdk_probe.
_VMDK_TEXT = re.compile(rb"(?:#[^\n]*\n|[ \t]*\r?\n)*version=[0-9]")
_HEAD_BYTES = 0x8006

_HEADER_V2 = struct.Struct(">4sIQIIQIIQQIIQ")
_HEADER_V3 = struct.Struct(">QQQII")
_EXTENSION = struct.Struct(">II")
_V2_LENGTH = 72
_V2_REFCOUNT_ORDER, _MAX_REFCOUNT_ORDER = 4, 6
_V3_LENGTH = 104
_CLUSTER_BITS = range(9, 22)
_MAX_L1_BYTES = 32 * 1024**2
_L1_OFFSET_MASK = 0x00FF_FFFF_FFFF_FE00
_CORRUPT, _DATA_FILE, _COMPRESSION, _EXTENDED_L2 = 1 << 1, 1 << 2, 1 << 3, 1 << 4
_KNOWN_FEATURES = 0b11111
_END_OF_EXTENSIONS = 0
_CRYPT_EXTENSION = 0x0537BE77
_DATA_FILE_EXTENSION = 0x44415441
_BACKING_EXTENSION = 0xE2792ACA


@dataclass(frozen=True)
class Inspection:
    """What a file is; `virtual_size` in bytes is the disk that a guest would see."""

    format: str
    virtual_size: int


def detect_format(head: bytes) -> str:
    """The format that the first 32 KiB show; "raw" when they show none."""
    for offset, magic, name in _MAGICS:
        if head[offset : offset + len(magic)] == magic:
            return name
    return "vmdk" if _VMDK_TEXT.match(head) else "raw"


def inspect_file(path: Path, disk_format: str) -> Inspection:
    """Check that the file is of this format and refers to nothing but itself.

    Raises:
        WrongContent: it is another format, damaged, or of a kind that no host may open.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        found = detect_format(file.read(_HEAD_BYTES))
        if not size:
            raise WrongContent("The image has no data.")
        # A CD image is often handed to a cloud as a raw disk, and as such it is harmless.
        if found != disk_format and not (disk_format == "raw" and found == "iso"):
            raise WrongContent(
                f"The image's content does not match its disk_format {disk_format}: "
                f"it looks like {found}."
            )
        virtual_size = _Qcow2(file, size).check() if disk_format == "qcow2" else size
    if not 0 < virtual_size <= MAX_VIRTUAL_SIZE:
        raise WrongContent(f"The image's virtual size of {virtual_size} bytes is not accepted.")
    return Inspection(disk_format, virtual_size)


class _Qcow2:
    """The header of one qcow2 file."""

    def __init__(self, file: BinaryIO, file_size: int) -> None:
        self._file = file
        self._file_size = file_size
        header = self._read(0, _HEADER_V2.size)
        (
            _,
            self.version,
            self.backing_offset,
            self.backing_size,
            self.cluster_bits,
            self.size,
            self.crypt_method,
            self.l1_entries,
            self.l1_offset,
            self.refcount_offset,
            self.refcount_clusters,
            self.snapshots,
            self.snapshots_offset,
        ) = _HEADER_V2.unpack(header)
        self.features = 0
        self.length = _V2_LENGTH
        self.refcount_order = _V2_REFCOUNT_ORDER
        if self.version >= 3:
            more = _HEADER_V3.unpack(self._read(_V2_LENGTH, _HEADER_V3.size))
            self.features, self.refcount_order, self.length = more[0], more[3], more[4]

    def check(self) -> int:
        """The virtual size of a sound and self-contained image."""
        if self.version not in (2, 3):
            raise WrongContent(f"qcow2 version {self.version} is not supported.")
        if self.cluster_bits not in _CLUSTER_BITS:
            raise _damaged("cluster size")
        self._check_references()
        self._check_features()
        self._check_extensions()
        self._check_tables()
        return int(self.size)

    def _check_references(self) -> None:
        if self.backing_offset or self.backing_size:
            raise WrongContent("An image with a backing file is not accepted.")
        if self.crypt_method:
            raise WrongContent("An encrypted image is not accepted.")

    def _check_features(self) -> None:
        if self.features & _DATA_FILE:
            raise WrongContent("An image with an external data file is not accepted.")
        if self.features & _CORRUPT:
            raise WrongContent("The image is marked as corrupt.")
        if self.features & ~_KNOWN_FEATURES:
            raise WrongContent("The image uses qcow2 features that are not supported.")
        if self.version == 3 and (self.length < _V3_LENGTH or self.length % 8):
            raise _damaged("header length")
        if self.refcount_order > _MAX_REFCOUNT_ORDER:
            raise _damaged("reference count width")

    def _check_extensions(self) -> None:
        """Walk the header extensions, which end within the first cluster."""
        position, end = self.length, min(1 << self.cluster_bits, self._file_size)
        while position + _EXTENSION.size <= end:
            kind, length = _EXTENSION.unpack(self._read(position, _EXTENSION.size))
            if kind == _END_OF_EXTENSIONS:
                return
            if kind == _CRYPT_EXTENSION:
                raise WrongContent("An encrypted image is not accepted.")
            if kind == _DATA_FILE_EXTENSION:
                raise WrongContent("An image with an external data file is not accepted.")
            if kind == _BACKING_EXTENSION:
                raise WrongContent("An image with a backing file is not accepted.")
            position += _EXTENSION.size + (length + 7) // 8 * 8
        if position > end:
            raise _damaged("header extensions")

    def _check_tables(self) -> None:
        """The tables lie in the file, and the first level spans the size that is claimed."""
        cluster = 1 << self.cluster_bits
        entry_bytes = 16 if self.features & _EXTENDED_L2 else 8
        spanned = self.l1_entries * cluster * (cluster // entry_bytes)
        if not self.size <= spanned:
            raise _damaged("virtual size")
        if self.l1_entries * 8 > _MAX_L1_BYTES:
            raise _damaged("level-1 table")
        self._check_inside(self.l1_offset, self.l1_entries * 8, "level-1 table")
        if not self.refcount_offset or not self.refcount_clusters:
            raise _damaged("reference count table")
        self._check_inside(self.refcount_offset, 8, "reference count table")
        if self.snapshots:
            self._check_inside(self.snapshots_offset, 40 * self.snapshots, "snapshot table")
        table = self._read(self.l1_offset, self.l1_entries * 8)
        for (entry,) in struct.iter_unpack(">Q", table):
            if entry & _L1_OFFSET_MASK >= self._file_size:
                raise _damaged("level-1 table")

    def _check_inside(self, offset: int, length: int, what: str) -> None:
        if offset % (1 << self.cluster_bits) or offset + length > self._file_size:
            raise _damaged(what)

    def _read(self, offset: int, length: int) -> bytes:
        self._file.seek(offset)
        data = self._file.read(length)
        if len(data) != length:
            raise _damaged("header")
        return data


def _damaged(what: str) -> WrongContent:
    return WrongContent(f"The qcow2 image is damaged: its {what} makes no sense.")

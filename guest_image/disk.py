"""The bootable disk: an MBR, a FAT partition that SYSLINUX boots, an ext4 partition that grows.

Everything is written into plain files: no loop device, no mount, no root rights.
"""

import os
import shutil
import struct
from pathlib import Path

from guest_image.commands import BuildError, run, tool

MIB = 1024 * 1024
SECTOR = 512
BOOT_AT = MIB
BOOT_SIZE = 24 * MIB
ROOT_AT = BOOT_AT + BOOT_SIZE
ROOT_SIZE = 71 * MIB
DISK_SIZE = ROOT_AT + ROOT_SIZE  # 96 MiB
LARGEST_ROOT = 1024 * 1024 * MIB  # there is room for the tables of a file system of 1 TiB
ROOT_UUID = "7e1d1c05-0000-4000-8000-000000000002"  # fixed, so that equal parts make an equal image
HASH_SEED = "7e1d1c05-0000-4000-8000-000000000001"
MBR_CODE = (Path("/usr/lib/SYSLINUX/mbr.bin"), Path("/usr/lib/syslinux/mbr/mbr.bin"))
# An emulated CPU spends seconds on self-tests and hardening that a demonstration guest can spare.
FAST = (
    "random.trust_cpu=on cryptomgr.notests rcupdate.rcu_expedited=1 init_on_alloc=0 mitigations=off"
    " nokaslr tsc=reliable no_timer_check audit=0 lsm=yama 8250.nr_uarts=1"
)
SYSLINUX_CONFIG = f"""\
SERIAL 0 115200
DEFAULT tiny
PROMPT 0
TIMEOUT 0
LABEL tiny
  LINUX vmlinuz
  INITRD initrd
  APPEND console=tty0 console=ttyS0,115200 loglevel=4 panic=10 net.ifnames=0 {FAST}
"""


def partition_table() -> bytes:
    """Return the first sector: boot code, two partitions, signature."""
    code = next((path for path in MBR_CODE if path.exists()), None)
    if code is None:
        raise BuildError("syslinux-common (mbr.bin) is not installed: run deploy/system.sh")
    entries = _entry(BOOT_AT, BOOT_SIZE, kind=0x0E, active=True) + _entry(
        ROOT_AT, ROOT_SIZE, kind=0x83, active=False
    )
    disk_id = struct.pack("<IH", 0x7E1D1C05, 0)
    return (
        code.read_bytes()[:440].ljust(440, b"\0") + disk_id + entries.ljust(64, b"\0") + b"\x55\xaa"
    )


def _entry(start: int, size: int, *, kind: int, active: bool) -> bytes:
    """One partition, by its block addresses; the old cylinder fields say 'too large for these'."""
    far = b"\xfe\xff\xff"
    flag = 0x80 if active else 0
    return struct.pack("<B3sB3sII", flag, far, kind, far, start // SECTOR, size // SECTOR)


def make_boot_partition(raw: Path, kernel: Path, initramfs: Path, work: Path) -> None:
    """Format the FAT partition inside the disk and make it bootable."""
    config = work / "syslinux.cfg"
    config.write_text(SYSLINUX_CONFIG)
    drive = f"{raw}@@{BOOT_AT}"
    geometry = ["-h", "255", "-s", "63", "-H", str(BOOT_AT // SECTOR)]
    run(
        [
            "mformat",
            "-i",
            drive,
            "-c",
            "64",
            "-T",
            str(BOOT_SIZE // SECTOR),
            *geometry,
            "-v",
            "TINYBOOT",
            "::",
        ]
    )
    for source, name in ((kernel, "vmlinuz"), (initramfs, "initrd"), (config, "syslinux.cfg")):
        run(["mcopy", "-i", drive, source, f"::{name}"])
    run([tool("syslinux"), "--install", "--offset", str(BOOT_AT), raw])


def make_root_partition(raw: Path, tree: Path, work: Path) -> None:
    """Make the ext4 file system from a tree and put it in its place on the disk."""
    image = work / "root.ext4"
    image.unlink(missing_ok=True)
    with image.open("wb") as file:
        file.truncate(ROOT_SIZE)
    growth = f"resize={LARGEST_ROOT // 4096},lazy_itable_init=1"
    options = f"{growth},root_owner=0:0,hash_seed={HASH_SEED}"
    make: list[str | Path] = [tool("mke2fs"), "-q", "-F", "-t", "ext4", "-b", "4096", "-m", "0"]
    run(
        [
            *make,
            "-L",
            "tiny-root",
            "-U",
            ROOT_UUID,
            "-E",
            options,
            "-J",
            "size=4",
            "-d",
            tree,
            image,
        ]
    )
    if os.geteuid() != 0:
        _give_to_root(image, tree)
    with image.open("rb") as source, raw.open("r+b") as target:
        target.seek(ROOT_AT)
        shutil.copyfileobj(source, target, 4 * MIB)


def _give_to_root(image: Path, tree: Path) -> None:
    """A build without root rights copies the builder's ownership: set it right in the image."""
    lines = [
        f'set_inode_field "/{path.relative_to(tree)}" {field} 0'
        for path in tree.rglob("*")
        for field in ("uid", "gid")
    ]
    run([tool("debugfs"), "-w", "-f", "-", image], given="\n".join(lines) + "\n")


def make_disk(output: Path, *, kernel: Path, initramfs: Path, tree: Path, work: Path) -> None:
    """Assemble the whole disk as a qcow2.

    It is not compressed: it stays under the limit, and a boot loader that reads a compressed
    kernel takes 1.4 s longer.
    """
    raw = work / "disk.raw"
    with raw.open("wb") as file:
        file.write(partition_table())
        file.truncate(DISK_SIZE)
    make_boot_partition(raw, kernel, initramfs, work)
    make_root_partition(raw, tree, work)
    partial = output.with_name(output.name + ".part")
    run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, partial])
    partial.replace(output)

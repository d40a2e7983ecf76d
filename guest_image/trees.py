"""The two file trees of the guest: the root file system and the initial RAM disk."""

import re
import shutil
from pathlib import Path

from guest_image.commands import run, tool
from guest_image.kernel import BOOT_MODULES, SYSTEM_MODULES, Kernel, install_modules

HERE = Path(__file__).resolve().parent
PROGRAMS = ("dropbear", "dropbearkey", "resize2fs")
FOLDERS = ("dev", "proc", "sys", "run", "tmp", "mnt", "root", "bin", "sbin", "usr/bin", "usr/sbin")
INITRAMFS_APPLETS = (
    *("sh", "mount", "cat", "dd", "tr", "echo", "printf", "sort", "uname", "readlink", "blockdev"),
    *("modprobe", "usleep", "switch_root", "["),
)


def make_root(root: Path, kernel: Kernel) -> None:
    """Lay out the root file system."""
    shutil.copytree(HERE / "root", root, symlinks=True)
    for folder in (*FOLDERS, "var/log", "var/lib/tiny", "etc/dropbear"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "var/run").symlink_to("../run")
    for name in ("root", "etc/dropbear"):
        (root / name).chmod(0o700)
    (root / "etc/shadow").chmod(0o600)
    (root / "etc/mtab").symlink_to("../proc/mounts")
    _install_busybox(root)
    for program in PROGRAMS:
        _install_program(tool(program), root)
    install_modules(kernel, (*BOOT_MODULES, *SYSTEM_MODULES), root)


def make_initramfs(work: Path, kernel: Kernel, output: Path) -> None:
    """Pack the RAM disk that finds the root disk; uncompressed, for emulated CPUs unpack slowly."""
    tree = work / "initramfs"
    for folder in ("bin", "dev", "proc", "sys", "root"):
        (tree / folder).mkdir(parents=True)
    shutil.copy(HERE / "initramfs/init", tree / "init")
    shutil.copy(tool("busybox"), tree / "bin/busybox")
    for applet in INITRAMFS_APPLETS:
        (tree / "bin" / applet).symlink_to("busybox")
    install_modules(kernel, BOOT_MODULES, tree)
    names = sorted(str(path.relative_to(tree)) for path in tree.rglob("*"))
    cpio: list[str | Path] = [
        tool("busybox"),
        "cpio",
        "-o",
        "-H",
        "newc",
        "-R",
        "0:0",
        "-F",
        output,
    ]
    run(cpio, cwd=tree, given="\n".join(names) + "\n")


def libraries_of(program: Path) -> list[Path]:
    """Name the shared libraries that a program loads, its loader included."""
    return [Path(path) for path in re.findall(r"(/\S+) \(0x", run(["ldd", program]))]


def _install_busybox(root: Path) -> None:
    busybox = tool("busybox")
    shutil.copy(busybox, root / "bin/busybox")
    system = {"init", "getty", "reboot", "poweroff", "halt", "modprobe", "ifconfig", "udhcpc"}
    for applet in run([busybox, "--list"]).split():
        folder = root / ("sbin" if applet in system else "bin")
        if applet != "busybox":
            (folder / applet).symlink_to("/bin/busybox")


def _install_program(program: Path, root: Path) -> None:
    shutil.copy(program, root / "usr/sbin" / program.name)
    for library in libraries_of(program):
        target = root / library.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)

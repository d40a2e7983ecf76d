"""The distribution's kernel: downloaded as a package, unpacked, never installed."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from guest_image.commands import BuildError, run, tool

# The package that always names the newest kernel made for virtual machines.
META_PACKAGES = {"debian": "linux-image-cloud-amd64", "ubuntu": "linux-image-virtual"}

BOOT_MODULES = (
    "virtio_pci",
    "virtio_blk",
    "virtio_scsi",
    "sd_mod",
    "ata_piix",
    "ahci",
    "nvme",
    "ext4",
)
SYSTEM_MODULES = (
    *("virtio_net", "e1000", "e1000e", "8139cp", "8139too", "virtio_rng", "virtio_balloon"),
    *("virtio_console", "sr_mod", "isofs", "vfat", "nls_cp437", "nls_iso8859-1", "nls_ascii"),
    *("nls_utf8", "button", "evdev", "atkbd", "psmouse", "i8042", "af_packet", "ext4"),
)


@dataclass(frozen=True)
class Kernel:
    """An unpacked kernel."""

    version: str
    image: Path
    modules: Path  # its folder lib/modules/VERSION


def distribution(os_release: str) -> str:
    """Tell debian or ubuntu from the text of /etc/os-release.

    Raises:
        BuildError: it is neither, nor made from one of them.
    """
    fields = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    names = [fields.get("ID", ""), *fields.get("ID_LIKE", "").strip('"').split()]
    for name in names:
        if name.strip('"') in META_PACKAGES:
            return name.strip('"')
    raise BuildError("the guest image is built from Debian's or Ubuntu's kernel package only")


def kernel_packages(meta_package: str) -> list[str]:
    """Name the packages that hold the kernel and its modules."""
    listing = run(["apt-cache", "depends", "--no-suggests", meta_package])
    images = [
        word
        for line in listing.splitlines()
        for word in line.split()[1:2]
        if word.startswith("linux-image-")
    ]
    if not images:
        raise BuildError(f"no package {meta_package} is known here: run apt-get update")
    listing = run(["apt-cache", "depends", "--no-suggests", images[0]])
    modules = [
        word
        for line in listing.splitlines()
        for word in line.split()[1:2]
        if word.startswith("linux-modules-") and "extra" not in word
    ]
    return list(dict.fromkeys([images[0], *modules]))


def fetch(cache: Path, *, os_release: str) -> list[Path]:
    """Return the kernel's package files, downloaded unless the cache has them."""
    listing = cache / "kernel-packages"
    if listing.exists():
        known = [cache / name for name in listing.read_text().split()]
        if known and all(path.exists() for path in known):
            return known
    packages = kernel_packages(META_PACKAGES[distribution(os_release)])
    fresh = cache / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    run(["apt-get", "-q", "download", *packages], cwd=fresh)
    names = []
    for path in sorted(fresh.glob("*.deb")):
        path.replace(cache / path.name)
        names.append(path.name)
    fresh.rmdir()
    listing.write_text("\n".join(names) + "\n")
    return [cache / name for name in names]


def unpack(packages: Iterable[Path], target: Path) -> Kernel:
    """Unpack the packages and find the kernel in them."""
    for package in packages:
        run(["dpkg-deb", "-x", package, target])
    images = sorted((target / "boot").glob("vmlinuz-*"))
    if len(images) != 1:
        raise BuildError(f"the kernel packages hold {len(images)} kernels, not one")
    version = images[0].name.removeprefix("vmlinuz-")
    candidates = (target / "lib/modules" / version, target / "usr/lib/modules" / version)
    modules = next((path for path in candidates if path.is_dir()), None)
    if modules is None:
        raise BuildError(f"the kernel packages hold no modules for {version}")
    return Kernel(version=version, image=images[0], modules=modules)


def install_modules(kernel: Kernel, wanted: Iterable[str], root: Path) -> None:
    """Copy the wanted modules, and what they need, below root; index them for modprobe.

    A name that the kernel has built in, or was made without, is left out.
    """
    files = {_module_name(path): path for path in kernel.modules.rglob("*.ko*")}
    needs = _dependencies(kernel, files)
    target = root / "lib/modules" / kernel.version
    pending = [name.replace("-", "_") for name in wanted]
    done: set[str] = set()
    while pending:
        name = pending.pop()
        if name in done or name not in files:
            continue
        done.add(name)
        pending += needs[name]
        _copy_module(files[name], target / files[name].relative_to(kernel.modules))
    target.mkdir(parents=True, exist_ok=True)
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        if (kernel.modules / name).exists():
            shutil.copy(kernel.modules / name, target / name)
    run([tool("depmod"), "-b", root, kernel.version])
    for path in target.glob("modules.*"):
        if path.name not in {"modules.dep", "modules.alias"}:
            path.unlink()


def _module_name(path: Path) -> str:
    return path.name.split(".ko")[0].replace("-", "_")


def _dependencies(kernel: Kernel, files: dict[str, Path]) -> dict[str, list[str]]:
    """Ask each module's own record: the packages come without an index of dependencies."""
    if not (kernel.modules / "modules.dep").exists():
        base = kernel.modules.parents[2]
        run([tool("depmod"), "-b", base, kernel.version])
    needs: dict[str, list[str]] = {name: [] for name in files}
    for line in (kernel.modules / "modules.dep").read_text().splitlines():
        module, _, others = line.partition(":")
        needs[_module_name(Path(module))] = [_module_name(Path(other)) for other in others.split()]
    return needs


def _copy_module(source: Path, target: Path) -> None:
    """Copy a module uncompressed: that is what loads fastest, and every modprobe reads it."""
    plain = target.with_name(target.name.split(".ko")[0] + ".ko")
    plain.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix == ".zst":
        run(["zstd", "-q", "-d", "-f", source, "-o", plain])
    elif source.suffix == ".xz":
        copy = plain.with_suffix(".ko.xz")
        shutil.copy(source, copy)
        run(["xz", "-d", "-f", copy])
    else:
        shutil.copy(source, plain)

#!/usr/bin/env python3
"""Build the guest image `tiny`: `guest_image/build.py OUTPUT.qcow2`.

A build whose inputs have not changed is skipped. The kernel package is kept in the cache folder
(CLOUDPORTAL_VAR/cache) and used again; --refresh asks the distribution for a newer one.
"""

import argparse
import hashlib
import os
import sys
import tempfile
import time
from pathlib import Path

if __package__ in {None, ""}:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from guest_image import disk, kernel, trees
from guest_image.commands import BuildError, tool

HERE = Path(__file__).resolve().parent
LARGEST_IMAGE = 60 * 1000 * 1000


def fingerprint(packages: list[Path]) -> str:
    """Return a digest over everything that the image is made of."""
    digest = hashlib.sha256()
    sources = sorted(path for path in HERE.rglob("*") if path.is_file() and _is_source(path))
    for path in sources:
        digest.update(f"{path.relative_to(HERE)} {path.stat().st_mode:o}\n".encode())
        digest.update(path.read_bytes())
    for name in ("busybox", *trees.PROGRAMS):
        digest.update(tool(name).read_bytes())
    for package in packages:
        digest.update(f"{package.name} {package.stat().st_size}\n".encode())
    return digest.hexdigest()


def _is_source(path: Path) -> bool:
    return "__pycache__" not in path.parts


def build(output: Path, *, cache: Path, refresh: bool = False) -> bool:
    """Build the image unless the one there is already made from the same parts.

    Returns:
        Whether anything was built.
    """
    cache.mkdir(parents=True, exist_ok=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    if refresh:
        (cache / "kernel-packages").unlink(missing_ok=True)
    os_release = Path("/etc/os-release").read_text()
    packages = kernel.fetch(cache, os_release=os_release)
    stamp = output.with_name(output.name + ".made-from")
    made_from = fingerprint(packages)
    if output.exists() and stamp.exists() and stamp.read_text() == made_from:
        return False
    stamp.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        work = Path(folder)
        found = kernel.unpack(packages, work / "kernel")
        trees.make_root(work / "root", found)
        trees.make_initramfs(work, found, work / "initrd")
        disk.make_disk(
            output, kernel=found.image, initramfs=work / "initrd", tree=work / "root", work=work
        )
    if output.stat().st_size > LARGEST_IMAGE:
        raise BuildError(f"the image is {output.stat().st_size} bytes, more than {LARGEST_IMAGE}")
    stamp.write_text(made_from)
    return True


def main() -> int:
    """Build the image that the command line names."""
    parser = argparse.ArgumentParser(description="Build the guest image 'tiny'.")
    parser.add_argument("output", type=Path)
    parser.add_argument("--refresh", action="store_true", help="look for a newer kernel")
    arguments = parser.parse_args()
    cache = Path(os.environ.get("CLOUDPORTAL_VAR", HERE.parent / "var")) / "cache"
    began = time.monotonic()
    try:
        built = build(arguments.output.resolve(), cache=cache.resolve(), refresh=arguments.refresh)
    except BuildError as error:
        print(f"guest image: {error}", file=sys.stderr)  # noqa: T201 - a command's own output
        return 1
    size = arguments.output.stat().st_size / 1e6
    did = f"built in {time.monotonic() - began:.1f} s" if built else "is up to date"
    print(f"guest image: {arguments.output} {did} ({size:.1f} MB)")  # noqa: T201 - as above
    return 0


if __name__ == "__main__":
    sys.exit(main())

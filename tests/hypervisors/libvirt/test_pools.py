"""What pools are made of: as XML, by libvirt's own test driver, and on the local libvirt."""

import os
import random
import subprocess
from pathlib import Path
from uuid import uuid4
from xml.etree import ElementTree as ET

import libvirt
import pytest

from hypervisors.libvirt import blocks, pools, storage, transfer
from hypervisors.libvirt.connection import open_connection
from hypervisors.libvirt.errors import (
    AlreadyThere,
    DriverError,
    NotThere,
    TooSmall,
    Unsupported,
    translate,
)
from hypervisors.libvirt.errors import PoolFull as DriverPoolFull
from hypervisors.libvirt.pools import (
    STORE_PREFIX,
    DirPoolSpec,
    LogicalPoolSpec,
    NetworkPoolSpec,
    pool_xml,
    read_source,
    source_of,
)
from tests.hypervisors.libvirt.machine import MIB

CONTENT = random.Random(1).randbytes(2 * MIB)
DATA = Path(__file__).parent / "data"
FAST = NetworkPoolSpec(
    "fast", "/var/lib/libvirt/cloudportal-pools/fast", "nas.example", "/export/a&b"
)
GROUP = LogicalPoolSpec("group", "vg0")


@pytest.mark.parametrize(("spec", "file"), [(FAST, "pool-netfs"), (GROUP, "pool-logical")])
def test_the_definition_is_as_it_was(spec, file):
    # Prefixes of names are nobody's business.
    wanted = ET.canonicalize(
        (DATA / f"{file}.xml").read_text(), strip_text=True, rewrite_prefixes=True
    )

    assert ET.canonicalize(pool_xml(spec), strip_text=True, rewrite_prefixes=True) == wanted


@pytest.mark.parametrize(
    ("spec", "source"),
    [
        (FAST, "nas.example:/export/a&b"),
        (NetworkPoolSpec("v6", "/mnt", "fd00::1", "/"), "[fd00::1]:/"),
        (GROUP, "vg0"),
        (DirPoolSpec("d", "/srv"), ""),
    ],
)
def test_the_source_is_read_as_it_was_written(spec, source):
    assert source_of(spec) == source
    assert read_source(pool_xml(spec)) == source


@pytest.fixture
def image(tmp_path):
    """A qcow2 image of 20 MiB, some of it written."""
    raw, file = tmp_path / "image.raw", tmp_path / "image.qcow2"
    raw.write_bytes(CONTENT.ljust(20 * MIB, b"\0"))
    run("qemu-img", "convert", "-O", "qcow2", str(raw), str(file))
    return file


@pytest.fixture
def simulated():
    """libvirt's own driver for tests, in this process."""
    opened = open_connection("test:///default")
    yield opened
    opened.close()


@pytest.mark.parametrize("spec", [FAST, GROUP, DirPoolSpec("plain", "/srv/plain")])
def test_libvirt_takes_the_definition_and_makes_it_once(simulated, spec):
    first = pools.ensure_pool(simulated, spec)
    again = pools.ensure_pool(simulated, spec)

    assert first == again
    assert (first.is_active, first.is_autostart, first.source) == (True, True, source_of(spec))


def test_a_pool_of_that_name_made_of_something_else_is_not_taken_over(simulated):
    pools.ensure_pool(simulated, GROUP)

    for other in (LogicalPoolSpec("group", "vg1"), DirPoolSpec("group", "/dev/vg0")):
        with pytest.raises(AlreadyThere):
            pools.ensure_pool(simulated, other)


def test_a_full_volume_group_is_a_full_pool():
    error = libvirt.libvirtError("x")
    said = 'Volume group "vg0" has insufficient free space (5 extents): 10 required.'
    error.err = (libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_STORAGE, said, 2, None, None)
    error.err += (None, -1, -1)

    assert isinstance(translate(error), DriverPoolFull)


def test_a_thick_volume_has_its_room_from_the_beginning():
    root = ET.fromstring(storage.volume_xml("v", 5, "raw", is_thick=True))

    assert (root.findtext("capacity"), root.findtext("allocation")) == ("5", "5")


@pytest.mark.lab
@pytest.mark.parametrize("spec", [FAST, GROUP], ids=["netfs", "logical"])
def test_a_pool_that_cannot_be_started_is_not_left_there(connection, spec):
    name = f"cp-test-{uuid4().hex[:8]}"
    path = f"/var/lib/libvirt/{name}"
    # Nobody answers there, and there is no such group.
    lost = (
        NetworkPoolSpec(name, path, "127.0.0.1", "/nowhere")
        if spec is FAST
        else LogicalPoolSpec(name, name)
    )

    with pytest.raises(DriverError):
        pools.ensure_pool(connection, lost)

    assert name not in [each.name for each in storage.list_pools(connection)]
    if os.path.isdir(path):
        os.rmdir(path)


@pytest.mark.lab
def test_files_are_known_by_one_mark_also_under_another_name(connection, pool):
    store = pools.store_of(connection, pool)
    name, path = f"{pool}-again", storage.pool_info(connection, pool).path
    assert pools.store_of(connection, pool) == store
    storage.remove_pool(connection, pool)

    pools.ensure_pool(connection, DirPoolSpec(name, str(path)))
    again = pools.store_of(connection, name)

    storage.remove_pool(connection, name)
    pools.ensure_pool(connection, DirPoolSpec(pool, str(path)))
    assert again == store
    names = [volume.name for volume in storage.list_volumes(connection, pool, STORE_PREFIX)]
    assert names == [f"{STORE_PREFIX}{store}"]


@pytest.mark.lab
def test_what_another_host_has_put_there_is_seen_when_it_is_looked_for(connection, pool):
    path = Path(str(storage.pool_info(connection, pool).path))
    (path / "put-there").write_bytes(b"by another host")
    assert not storage.volume_exists(connection, pool, "put-there")

    pools.look_anew(connection, pool)
    assert storage.volume_exists(connection, pool, "put-there")
    (path / "put-there").unlink()
    pools.look_anew(connection, pool)

    assert not storage.volume_exists(connection, pool, "put-there")


@pytest.mark.lab
def test_an_image_is_copied_whole_into_a_raw_volume(connection, pool, image):
    """In a directory, for want of a volume group: libvirt's way from format to format is one."""
    transfer.upload_image(connection, pool, "base-x", image, kind="qcow2")

    made = blocks.fill_block(connection, pool, "x-root", 24 * MIB, (pool, "base-x"))
    again = blocks.fill_block(connection, pool, "x-root", 24 * MIB, (pool, "base-x"))
    blank = blocks.create_block(connection, pool, "x-blank", 8 * MIB)

    assert made == again
    content = transfer.get_content(connection, pool, "x-root", length=len(CONTENT))
    assert content == CONTENT
    # A file ends where the image does; a device is as large as it was made.
    assert (made.format, made.capacity_bytes, made.backing_path) == ("raw", 20 * MIB, None)
    assert blank.allocation_bytes >= 8 * MIB
    with pytest.raises(Unsupported):
        blocks.create_block(connection, pool, "x-blank", 16 * MIB)
    with pytest.raises(TooSmall):
        blocks.fill_block(connection, pool, "x-small", MIB, (pool, "base-x"))
    with pytest.raises(NotThere):
        blocks.fill_block(connection, pool, "x-none", MIB, (pool, "base-none"))
    blocks.delete_volume(connection, pool, "x-root")
    blocks.delete_volume(connection, pool, "x-root")
    assert not storage.list_volumes(connection, pool, "x-root")


@pytest.fixture
def group(tmp_path):
    """A volume group of its own, where the kernel has one."""
    if "device-mapper" not in Path("/proc/misc").read_text():
        pytest.skip("this kernel has no device mapper, so there is no LVM")
    disk, name = tmp_path / "disk", f"cptest{uuid4().hex[:8]}"
    with disk.open("wb") as file:
        file.truncate(256 * MIB)
    device = run("losetup", "--find", "--show", str(disk)).strip()
    run("vgcreate", "--yes", name, device)
    yield name
    run("vgremove", "--force", "--yes", name)
    run("losetup", "--detach", device)


@pytest.mark.lab
def test_a_volume_group_is_a_pool_of_disks(connection, pool, image, group):
    spec = LogicalPoolSpec(f"{pool}-group", group)
    try:
        assert pools.ensure_pool(connection, spec).source == group
        transfer.upload_image(connection, pool, "base-y", image, kind="qcow2")
        made = blocks.fill_block(connection, spec.name, "y-root", 24 * MIB, (pool, "base-y"))
        assert made.path == f"/dev/{group}/y-root"
        with pytest.raises(DriverPoolFull):
            blocks.create_block(connection, spec.name, "y-big", 512 * MIB)
        blocks.delete_volume(connection, spec.name, "y-root")
        assert storage.list_volumes(connection, spec.name) == []
    finally:
        storage.remove_pool(connection, spec.name)


@pytest.fixture
def export(tmp_path):
    """A folder that this machine exports to itself, where it can."""
    if "nfs" not in Path("/proc/filesystems").read_text().split():
        pytest.skip("this kernel has no NFS (modprobe nfs)")
    folder = Path(f"/srv/cp-test-{uuid4().hex[:8]}")
    folder.mkdir(parents=True)
    try:
        options = "rw,sync,no_root_squash,no_subtree_check,fsid=217"
        run("exportfs", "-o", options, f"127.0.0.1:{folder}")
    except (OSError, subprocess.CalledProcessError) as error:
        folder.rmdir()
        pytest.skip(f"no NFS server runs here: {error}")
    yield str(folder)
    run("exportfs", "-u", f"127.0.0.1:{folder}")
    run("rm", "-r", str(folder))


@pytest.mark.lab
def test_an_export_is_a_pool_of_files(connection, image, export):
    name = f"cp-test-{uuid4().hex[:8]}"
    spec = NetworkPoolSpec(name, f"/var/lib/libvirt/{name}", "127.0.0.1", export)
    try:
        assert pools.ensure_pool(connection, spec).source == f"127.0.0.1:{export}"
        assert pools.store_of(connection, name)
        transfer.upload_image(connection, name, "base-z", image, kind="qcow2")
        made = storage.create_overlay(connection, name, "z-root", "base-z", 1)
        assert made.backing_path == f"{spec.path}/base-z"
        assert (Path(export) / "z-root").exists()
    finally:
        storage.remove_pool(connection, name, delete_directory=True)


def run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout

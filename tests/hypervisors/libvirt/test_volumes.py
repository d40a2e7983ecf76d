"""Volumes that outlive guests, against a real host: CLOUDPORTAL_TEST_URI or the local libvirtd."""

import dataclasses
from uuid import uuid4

import pytest

from hypervisors.libvirt import guest, storage, volumes
from hypervisors.libvirt.domain_xml import domain_xml
from hypervisors.libvirt.errors import NotThere
from hypervisors.libvirt.spec import DiskSpec
from tests.hypervisors.libvirt import specs

pytestmark = pytest.mark.lab

GIB = 1024**3


@pytest.fixture
def disk(connection, pool):
    """A blank volume of 1 GiB."""
    key = uuid4()
    name = f"volume-{key}"
    storage.create_blank(connection, pool, name, GIB, "qcow2")
    return DiskSpec(pool, name, "volume", serial=str(key), target="vdx")


@pytest.fixture
def spec(connection, pool):
    """A guest that is off, with a root disk."""
    uuid = uuid4()
    storage.create_blank(connection, pool, f"{uuid}-root", GIB, "qcow2")
    made = dataclasses.replace(
        specs.linux(),
        uuid=uuid,
        name=f"server-{uuid}",
        ram_mib=128,
        disks=(DiskSpec(pool, f"{uuid}-root", "root", boot_order=1),),
        interfaces=(),
        console_log_path=None,
    )
    guest.define_guest(connection, domain_xml(made))
    yield made
    guest.remove_guest(connection, uuid)


@pytest.mark.parametrize("runs", [False, True], ids=["off", "running"])
def test_a_disk_comes_and_goes(connection, spec, disk, runs):
    if runs:
        guest.start_guest(connection, spec.uuid)
    with_disk = dataclasses.replace(spec, disks=(*spec.disks, disk))

    for _ in range(2):
        volumes.attach_disk(connection, with_disk, disk)

    xml = guest.guest_xml(connection, spec.uuid)
    assert xml.count(f"<serial>{disk.serial}</serial>") == 1
    assert "<target dev='vdx'" in xml
    assert volumes.has_disk(connection, spec.uuid, str(disk.serial))
    assert volumes.grow_disk(connection, spec.uuid, str(disk.serial), 2 * GIB) is runs
    if runs:
        info = storage.volume_info(connection, disk.pool, disk.volume)
        assert info.capacity_bytes == 2 * GIB
        # No operating system is there to let it go, so it stays, in the definition too.
        assert not volumes.detach_disk(connection, spec.uuid, str(disk.serial), 1.0)
        assert volumes.has_disk(connection, spec.uuid, str(disk.serial))
        guest.destroy_guest(connection, spec.uuid)
    for _ in range(2):
        assert volumes.detach_disk(connection, spec.uuid, str(disk.serial), 5.0)
    assert not volumes.has_disk(connection, spec.uuid, str(disk.serial))


def test_no_guest_has_no_disk(connection):
    assert not volumes.has_disk(connection, uuid4(), "any")
    assert volumes.detach_disk(connection, uuid4(), "any", 1.0)
    with pytest.raises(NotThere):
        volumes.grow_disk(connection, uuid4(), "any", GIB)


def test_a_copy_stands_alone_and_may_be_larger(connection, disk):
    name = f"volume-{uuid4()}"

    for _ in range(2):
        copy = volumes.copy_volume(connection, disk.pool, name, disk.volume, 2 * GIB)

    assert (copy.capacity_bytes, copy.backing_path) == (2 * GIB, None)
    assert storage.is_verified(connection, disk.pool, name)


def test_half_a_copy_is_made_anew(connection, disk):
    name = f"volume-{uuid4()}"
    storage.create_blank(connection, disk.pool, name, GIB // 2, "qcow2")

    copy = volumes.copy_volume(connection, disk.pool, name, disk.volume, GIB)

    assert copy.capacity_bytes == GIB


def test_a_volume_arrives_as_it_was_sent(connection, disk, tmp_path):
    name, path = f"volume-{uuid4()}", tmp_path / "file"

    with path.open("wb") as sink:
        sent = volumes.send_volume(connection, disk.pool, disk.volume, sink)
    with path.open("rb") as source:
        received = volumes.receive_volume(connection, disk.pool, name, GIB, source)
    volumes.mark_verified(connection, disk.pool, name)

    assert sent == received
    assert storage.volume_info(connection, disk.pool, name).capacity_bytes == GIB
    assert storage.is_verified(connection, disk.pool, name)

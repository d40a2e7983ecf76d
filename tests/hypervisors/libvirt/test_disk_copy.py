"""Copies of disks, against a real host: CLOUDPORTAL_TEST_URI or the local libvirtd."""

import dataclasses
import subprocess
import time
from uuid import uuid4

import pytest

from hypervisors.libvirt import disk_copy, guest, storage, suspend, transfer
from hypervisors.libvirt.disk_copy import DiskCopy
from hypervisors.libvirt.domain_xml import domain_xml
from hypervisors.libvirt.errors import Busy, DriverError, NotThere, Unsupported
from hypervisors.libvirt.spec import DiskSpec
from tests.hypervisors.libvirt import specs
from tests.hypervisors.libvirt.machine import BOOT_SECTOR, MIB

pytestmark = pytest.mark.lab


@pytest.fixture
def copied(connection, pool):
    """A guest that is off, with a disk over a base of 1 MiB; the copy of it to be made."""
    uuid = uuid4()
    transfer.put_content(connection, pool, f"{uuid}-base", BOOT_SECTOR.ljust(MIB, b"\x5a"))
    storage.create_overlay(connection, pool, f"{uuid}-root", f"{uuid}-base", 1)
    disk = DiskSpec(pool, f"{uuid}-root", "root", boot_order=1)
    spec = dataclasses.replace(
        specs.linux(),
        uuid=uuid,
        name=f"server-{uuid}",
        ram_mib=128,
        disks=(disk,),
        interfaces=(),
        console_log_path=None,
    )
    guest.define_guest(connection, domain_xml(spec))
    yield DiskCopy(uuid, pool, f"{uuid}-root", f"{uuid}-copy")
    guest.remove_guest(connection, uuid)


def content_of(connection, copy, tmp_path):
    """The copy's bytes as the guest would see them."""
    file = tmp_path / "copy.qcow2"
    content = b""
    while piece := disk_copy.read_volume(connection, copy.pool, copy.name, len(content), 100_000):
        content += piece
    file.write_bytes(content)
    info = subprocess.run(
        ["qemu-img", "info", file], check=True, capture_output=True, text=True
    ).stdout
    assert "backing file" not in info
    subprocess.run(["qemu-img", "convert", "-O", "raw", file, tmp_path / "copy.raw"], check=True)
    return (tmp_path / "copy.raw").read_bytes()


def wait_alike(connection, copy):
    ends_at = time.monotonic() + 60
    while not disk_copy.copy_state(connection, copy).is_alike:
        assert time.monotonic() < ends_at, "the copy never gets there"
        time.sleep(0.05)


def is_whole_disk(content):
    """All that the disk lies over is in it."""
    return len(content) == 1024 * MIB and content[:MIB] == BOOT_SECTOR.ljust(MIB, b"\x5a")


def test_the_disk_of_a_guest_that_is_off_is_copied_with_all_beneath_it(
    connection, copied, tmp_path
):
    assert disk_copy.start_copy(connection, copied).is_whole
    assert disk_copy.start_copy(connection, copied).is_whole

    assert is_whole_disk(content_of(connection, copied, tmp_path))
    disk_copy.drop_copy(connection, copied)
    disk_copy.drop_copy(connection, copied)
    assert not storage.list_volumes(connection, copied.pool, copied.name)


def test_the_disk_of_a_guest_that_runs_is_copied_while_it_runs(connection, copied, tmp_path):
    guest.start_guest(connection, copied.guest)

    disk_copy.start_copy(connection, copied)
    # Whoever takes over goes on with the same copy.
    assert not disk_copy.start_copy(connection, copied).is_whole
    wait_alike(connection, copied)
    assert disk_copy.finish_copy(connection, copied, must_be_quiet=False) is False
    disk_copy.finish_copy(connection, copied, must_be_quiet=False)

    assert disk_copy.start_copy(connection, copied).is_whole
    assert disk_copy.copy_state(connection, copied).is_whole
    assert guest.guest_info(connection, copied.guest).power_state == "running"
    assert is_whole_disk(content_of(connection, copied, tmp_path))
    disk_copy.drop_copy(connection, copied)


def test_a_copy_that_is_given_up_leaves_the_guest_alone(connection, copied):
    guest.start_guest(connection, copied.guest)
    disk_copy.start_copy(connection, copied)

    disk_copy.drop_copy(connection, copied)

    assert not storage.list_volumes(connection, copied.pool, copied.name)
    assert guest.guest_info(connection, copied.guest).power_state == "running"
    with pytest.raises(DriverError):
        disk_copy.copy_state(connection, copied)
    disk_copy.start_copy(connection, copied)
    wait_alike(connection, copied)
    disk_copy.drop_copy(connection, copied)


def test_a_paused_guest_is_copied_and_stays_paused(connection, copied, tmp_path):
    guest.start_guest(connection, copied.guest)
    suspend.pause_guest(connection, copied.guest)

    disk_copy.start_copy(connection, copied)
    wait_alike(connection, copied)
    disk_copy.finish_copy(connection, copied, must_be_quiet=False)

    assert guest.guest_info(connection, copied.guest).power_state == "paused"
    assert is_whole_disk(content_of(connection, copied, tmp_path))


def test_another_copy_of_the_same_disk_waits(connection, copied):
    guest.start_guest(connection, copied.guest)
    disk_copy.start_copy(connection, copied)

    with pytest.raises(Busy):
        disk_copy.start_copy(connection, dataclasses.replace(copied, name=f"{copied.guest}-two"))

    disk_copy.drop_copy(connection, copied)


def test_a_guest_that_stops_meanwhile_is_copied_anew(connection, copied, tmp_path):
    guest.start_guest(connection, copied.guest)
    disk_copy.start_copy(connection, copied)
    guest.destroy_guest(connection, copied.guest)

    with pytest.raises(Busy):
        disk_copy.copy_state(connection, copied)
    with pytest.raises(Busy):
        disk_copy.finish_copy(connection, copied, must_be_quiet=False)
    assert disk_copy.start_copy(connection, copied).is_whole

    assert is_whole_disk(content_of(connection, copied, tmp_path))


def test_a_guest_without_an_agent_cannot_be_made_quiet(connection, copied):
    guest.start_guest(connection, copied.guest)
    disk_copy.start_copy(connection, copied)
    wait_alike(connection, copied)

    with pytest.raises(Unsupported):
        disk_copy.finish_copy(connection, copied, must_be_quiet=True)

    disk_copy.drop_copy(connection, copied)


def test_there_is_no_copy_of_a_disk_that_is_not_there(connection, copied):
    with pytest.raises(NotThere):
        disk_copy.start_copy(connection, dataclasses.replace(copied, source="none"))

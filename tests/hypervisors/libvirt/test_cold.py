"""Disks of guests that are off, against a real host: CLOUDPORTAL_TEST_URI or the local libvirtd."""

import io
from uuid import uuid4

import pytest

from hypervisors.libvirt import cold, storage, transfer, volumes
from hypervisors.libvirt.errors import DriverError, NotThere
from hypervisors.libvirt.pools import DirPoolSpec, ensure_pool
from tests.hypervisors.libvirt.machine import MIB

pytestmark = pytest.mark.lab


@pytest.fixture(params=[["a", "a-place-with-a-longer-name"]], ids=["two places"])
def pools(connection, request):
    """Two pools with the same base volume, in directories of different lengths."""
    names = []
    for end in request.param:
        name = f"cp-test-{uuid4().hex[:8]}-{end}"
        ensure_pool(connection, DirPoolSpec(name, f"/var/lib/libvirt/{name}"))
        transfer.put_content(connection, name, "base", b"\x5a" * MIB)
        names.append(name)
    yield names
    for name in names:
        for volume in storage.list_volumes(connection, name):
            storage.delete_volume(connection, name, volume.name)
        storage.remove_pool(connection, name, delete_directory=True)


def sent(connection, pool, name):
    sink = io.BytesIO()
    volumes.send_volume(connection, pool, name, sink)
    sink.seek(0)
    return sink


@pytest.mark.parametrize("way", [0, 1], ids=["to a longer path", "to a shorter one"])
def test_a_disk_lies_over_the_base_of_the_pool_that_it_came_to(connection, pools, way):
    here, there = pools if way == 0 else pools[::-1]
    storage.create_overlay(connection, here, "disk", "base", 1)
    source = sent(connection, here, "disk")

    for _ in range(2):
        source.seek(0)
        made, _ = cold.receive_disk(connection, there, "disk", 1024 * MIB, "base", source)

    assert made.backing_path == storage.volume_path(connection, there, "base")
    # What libvirt reads in the file itself.
    storage.refresh_pool(connection, there)
    found = storage.volume_info(connection, there, "disk")
    assert (found.format, found.capacity_bytes) == ("qcow2", 1024 * MIB)
    assert found.backing_path == storage.volume_path(connection, there, "base")
    assert storage.resize_volume(connection, there, "disk", 2048 * MIB).capacity_bytes == 2048 * MIB


def test_a_disk_over_nothing_arrives_as_it_was(connection, pools):
    here, there = pools
    storage.create_blank(connection, here, "disk", MIB)
    source = sent(connection, here, "disk")

    cold.receive_disk(connection, there, "disk", MIB, "", source)

    assert sent(connection, there, "disk").getvalue() == source.getvalue()


def test_a_disk_whose_sender_breaks_off_is_refused(connection, pools):
    there = pools[1]

    with pytest.raises(DriverError):
        cold.receive_disk(connection, there, "disk", MIB, "", io.BytesIO(b"QFI"))
    with pytest.raises(NotThere):
        cold.receive_disk(connection, there, "other", MIB, "gone", io.BytesIO(b""))


def test_a_copy_is_whole_in_itself_and_made_once(connection, pools):
    pool = pools[0]
    storage.create_overlay(connection, pool, "disk", "base", 1)

    for _ in range(2):
        made = volumes.copy_volume(connection, pool, "kept", "disk")

    assert (made.format, made.capacity_bytes) == ("qcow2", 1024 * MIB)
    assert made.backing_path is None
    assert b"\x5a" * MIB in sent(connection, pool, "kept").getvalue()
    # What libvirt reads in the file itself.
    storage.refresh_pool(connection, pool)
    assert storage.volume_info(connection, pool, "kept").backing_path is None
    assert storage.is_verified(connection, pool, "kept")


def test_a_raw_disk_is_copied_too(connection, pools):
    pool = pools[0]

    volumes.copy_volume(connection, pool, "kept", "base")

    assert transfer.get_content(connection, pool, "kept") == b"\x5a" * MIB


def test_a_copy_has_the_format_that_was_asked_for(connection, pools):
    pool = pools[0]

    made = volumes.copy_volume(connection, pool, "kept", "base", 2 * MIB, "qcow2")

    assert (made.format, made.capacity_bytes) == ("qcow2", 2 * MIB)

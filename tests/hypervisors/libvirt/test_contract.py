"""What the driver promises, against a real host: CLOUDPORTAL_TEST_URI or the local libvirtd."""

import dataclasses
import hashlib
import random
import subprocess
import threading
from uuid import uuid4

import pytest

from hypervisors.libvirt import (
    checks,
    console,
    filters,
    guest,
    host,
    migrate,
    network,
    pools,
    storage,
    transfer,
)
from hypervisors.libvirt.domain_xml import domain_xml
from hypervisors.libvirt.errors import (
    AlreadyThere,
    Corrupted,
    DriverError,
    NotThere,
    TooSmall,
    WrongState,
)
from tests.hypervisors.libvirt import specs
from tests.hypervisors.libvirt.machine import MIB, URI, wait_until

pytestmark = pytest.mark.lab

# The same without an end, so that the log outgrows its file.
CHATTY_SECTOR = bytes.fromhex("baf803b041eeebfd").ljust(510, b"\0") + b"\x55\xaa"


@pytest.fixture
def image(tmp_path):
    """A qcow2 image of 20 MiB, some of it written."""
    raw, file = tmp_path / "image.raw", tmp_path / "image.qcow2"
    raw.write_bytes(random.Random(1).randbytes(2 * MIB) + bytes(18 * MIB))
    convert = ["qemu-img", "convert", "-O", "qcow2", str(raw), str(file)]
    subprocess.run(convert, check=True)
    return file


def test_inventory_says_what_the_host_is(connection):
    found = host.inventory(connection)

    assert found.vcpus >= 1
    assert found.ram_mib > 256
    assert found.machines["q35"].startswith("pc-q35-")
    assert "qemu" in found.domain_types
    assert {"qemu64", "Nehalem"} <= set(found.usable_cpu_models["qemu"])
    assert "EPYC-Milan" not in found.usable_cpu_models["qemu"]
    if not {"vmx", "svm"} & set(found.cpu_features):
        assert "kvm" not in found.domain_types


def test_checks_name_what_is_missing(pool, net):
    wanted = checks.Expectation(pool, (net.name, "nowhere"))

    found = {check.name: check for check in checks.check_host(URI, wanted)}

    assert [name for name, check in found.items() if check.ok] == [
        "ssh", "libvirt version", "qemu", "virt type", "pool", "time",
    ]  # fmt: skip
    assert "nowhere" in found["network"].message
    assert found["network"].remedy


def test_pool_of_the_same_name_elsewhere_is_not_taken_over(connection, pool):
    with pytest.raises(AlreadyThere):
        pools.ensure_pool(connection, pools.DirPoolSpec(pool, "/var/lib/libvirt/other"))


def test_image_is_uploaded_once_and_is_what_was_sent(connection, pool, image):
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    name = f"cp-base-{digest[:12]}"

    first = transfer.upload_image(connection, pool, name, image, kind="qcow2", sha256=digest)
    image.unlink()
    again = transfer.upload_image(connection, pool, name, image, kind="qcow2", sha256=digest)

    assert first == again
    assert (first.capacity_bytes, first.format) == (20 * MIB, "qcow2")
    kept = transfer.get_content(connection, pool, name)
    assert hashlib.sha256(kept).hexdigest() == digest


def test_wrong_checksum_leaves_an_image_unverified_and_a_second_try_mends_it(
    connection, pool, image
):
    name = "cp-base-mend"

    with pytest.raises(Corrupted):
        transfer.upload_image(connection, pool, name, image, kind="qcow2", sha256="0" * 64)

    assert not storage.is_verified(connection, pool, name)
    transfer.upload_image(connection, pool, name, image, kind="qcow2")
    assert storage.is_verified(connection, pool, name)
    storage.delete_volume(connection, pool, name)
    assert not storage.is_verified(connection, pool, name)


def test_raw_upload_keeps_holes_as_holes(connection, pool, tmp_path):
    file = tmp_path / "raw"
    file.write_bytes(b"begin" + bytes(8 * MIB) + b"end")

    info = transfer.upload_image(connection, pool, "sparse", file, kind="raw")

    assert info.capacity_bytes == 8 * MIB + 8
    assert info.allocation_bytes < 2 * MIB
    assert transfer.get_content(connection, pool, "sparse") == file.read_bytes()


def test_overlay_has_the_flavors_size_and_is_made_once(connection, pool, image):
    transfer.upload_image(connection, pool, "base", image, kind="qcow2")

    overlay = storage.create_overlay(connection, pool, "over", "base", 1)
    again = storage.create_overlay(connection, pool, "over", "base", 1)
    whole = storage.create_overlay(connection, pool, "whole", "base", 0)

    assert overlay == again
    assert overlay.capacity_bytes == storage.GIB
    assert overlay.backing_path == storage.volume_path(connection, pool, "base")
    assert whole.capacity_bytes == 20 * MIB


def test_overlay_smaller_than_its_image_or_over_another_is_refused(connection, pool):
    storage.create_blank(connection, pool, "big", 2 * storage.GIB)
    storage.create_blank(connection, pool, "big-too", storage.GIB)

    with pytest.raises(TooSmall):
        storage.create_overlay(connection, pool, "small", "big", 1)
    storage.create_overlay(connection, pool, "mine", "big-too", 3)
    with pytest.raises(AlreadyThere):
        storage.create_overlay(connection, pool, "mine", "big", 3)


def test_volume_grows_and_never_shrinks(connection, pool):
    storage.create_blank(connection, pool, "grows", 5 * MIB, "raw")

    assert storage.resize_volume(connection, pool, "grows", 9 * MIB).capacity_bytes == 9 * MIB
    assert storage.resize_volume(connection, pool, "grows", MIB).capacity_bytes == 9 * MIB


def test_deleting_what_is_not_there_is_fine(connection, pool):
    storage.delete_volume(connection, pool, "never")
    storage.delete_volume(connection, "no-such-pool", "never")
    console.remove_console_log(connection, "no-such-pool", uuid4())
    filters.remove_filter(connection, str(uuid4()))
    network.remove_dhcp_host(connection, "no-such-network", specs.MAC)
    network.remove_network(connection, "no-such-network")
    guest.remove_guest(connection, uuid4())


def test_dhcp_entry_follows_its_card_and_an_address_has_one_card(connection, net):
    prefix = net.gateway.removesuffix("1")
    mine, other = "52:54:00:0A:00:01", "52:54:00:0a:00:02"

    network.ensure_dhcp_host(connection, net.name, mine, f"{prefix}50", "one")
    network.ensure_dhcp_host(connection, net.name, mine, f"{prefix}51", "one")
    network.ensure_dhcp_host(connection, net.name, mine, f"{prefix}51", "one")

    with pytest.raises(AlreadyThere):
        network.ensure_dhcp_host(connection, net.name, other, f"{prefix}51", "two")
    entry = network.DhcpHost(mine.lower(), f"{prefix}51", "one")
    assert network.list_dhcp_hosts(connection, net.name) == [entry]
    network.remove_dhcp_host(connection, net.name, mine)
    assert network.list_dhcp_hosts(connection, net.name) == []


def test_guest_runs_from_our_definition_and_leaves_nothing(connection, pool, server):
    uuid = server.uuid
    valid = 1  # VIR_DOMAIN_DEFINE_VALIDATE: against libvirt's own schema
    connection.call(lambda raw: raw.defineXMLFlags(domain_xml(server), valid))
    guest.define_guest(connection, domain_xml(server))

    guest.start_guest(connection, uuid)
    guest.start_guest(connection, uuid)

    info = guest.guest_info(connection, uuid)
    assert (info.power_state, info.vcpus, info.ram_mib) == ("running", 1, 32)
    assert (info.vnc_port or 0) >= 5900
    assert guest.read_metadata(connection, uuid) == server.metadata
    assert uuid in {found.uuid for found in guest.list_guests(connection)}
    wait_until(lambda: b"A" in console.read_console_log(connection, pool, uuid).content)
    assert guest.screenshot(connection, uuid).startswith(b"\x89PNG")
    record = next(found for found in host.stats(connection).guests if found.uuid == uuid)
    assert (record.power_state, record.ram_mib, len(record.disks)) == ("running", 32, 1)
    with pytest.raises(WrongState):
        filters.remove_filter(connection, server.interfaces[0].port_id)

    guest.remove_guest(connection, uuid)
    guest.remove_guest(connection, uuid)

    assert not guest.guest_exists(connection, uuid)


def test_metadata_can_be_renewed_while_the_guest_runs(connection, server):
    guest.define_guest(connection, domain_xml(server))
    guest.start_guest(connection, server.uuid)
    renewed = dataclasses.replace(server.metadata, generation=2, name='"renamed"\n')

    guest.write_metadata(connection, server.uuid, renewed)
    guest.destroy_guest(connection, server.uuid)

    assert guest.read_metadata(connection, server.uuid) == renewed


def test_guest_that_ignores_the_power_button_is_switched_off(connection, server):
    guest.define_guest(connection, domain_xml(server))
    guest.start_guest(connection, server.uuid)

    assert not guest.reboot_soft(connection, server.uuid, 0.5)
    assert guest.guest_info(connection, server.uuid).power_state == "running"
    assert not guest.shutdown_clean(connection, server.uuid, 0.5)
    assert guest.guest_info(connection, server.uuid).power_state == "shutdown"
    assert guest.reboot_soft(connection, server.uuid, 0.5)
    assert guest.guest_info(connection, server.uuid).power_state == "running"


def test_log_is_read_over_a_change_of_files_and_leaves_none(connection, pool, server):
    root = server.disks[0].volume
    transfer.put_content(connection, pool, root, CHATTY_SECTOR.ljust(10 * MIB, b"\0"))
    guest.define_guest(connection, domain_xml(server))
    guest.start_guest(connection, server.uuid)
    older = f"{console.log_name(server.uuid)}.0"
    wait_until(lambda: storage.volume_info(connection, pool, older).capacity_bytes > MIB)
    guest.destroy_guest(connection, server.uuid)

    tail = console.read_console_log(connection, pool, server.uuid, max_bytes=2 * MIB)
    piece = console.read_console_log(connection, pool, server.uuid, offset=10, max_bytes=100)

    assert len(tail.content) == 2 * MIB
    assert piece.next_offset == 10 + len(piece.content)
    beyond = console.read_console_log(connection, pool, server.uuid, offset=2**40, max_bytes=7)
    assert beyond.next_offset <= 7
    console.remove_console_log(connection, pool, server.uuid)
    storage.refresh_pool(connection, pool)
    assert storage.list_volumes(connection, pool, str(server.uuid)) == [
        storage.volume_info(connection, pool, root)
    ]


def test_log_of_no_guest_is_empty(connection, pool):
    assert console.read_console_log(connection, pool, uuid4()).content == b""


def test_calls_from_many_threads_share_a_connection(connection, pool):
    failures = []

    def make(number):
        try:
            storage.create_blank(connection, pool, f"many-{number % 3}", MIB)
        except DriverError as error:
            failures.append(error)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert len(storage.list_volumes(connection, pool, "many-")) == 3


def test_absent_pool_is_not_there(connection):
    with pytest.raises(NotThere):
        storage.pool_info(connection, "no-such-pool")


def test_a_running_guest_says_what_its_next_host_must_offer(connection, server):
    guest.define_guest(connection, domain_xml(server))
    guest.start_guest(connection, server.uuid)

    found = migrate.movable_guest(connection, server.uuid)

    assert found.machine == server.machine
    [disk] = found.disks
    assert (disk.target, disk.capacity_bytes) == ("vda", 10 * MIB)
    assert migrate.cpu_obstacle(connection, found) == ""
    newer = "<cpu mode='custom' match='exact'><model>EPYC-Milan</model></cpu>"
    lacking = migrate.cpu_obstacle(connection, dataclasses.replace(found, cpu=newer))
    assert "ibpb" in lacking.split(", ")
    unknown = "<cpu mode='custom' match='exact'><model>none-such</model></cpu>"
    with pytest.raises(DriverError):
        migrate.cpu_obstacle(connection, dataclasses.replace(found, cpu=unknown))


def test_without_a_migration_there_is_none_to_end_or_hasten(connection, server):
    guest.define_guest(connection, domain_xml(server))
    guest.start_guest(connection, server.uuid)

    migrate.abort_migration(connection, server.uuid)
    migrate.hasten_migration(connection, server.uuid)

    assert migrate.migration_progress(connection, server.uuid) is None
    assert guest.guest_info(connection, server.uuid).power_state == "running"
    guest.destroy_guest(connection, server.uuid)
    assert migrate.migration_progress(connection, server.uuid) is None
    with pytest.raises(WrongState):
        migrate.movable_guest(connection, server.uuid)

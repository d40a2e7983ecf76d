"""What callers rely on, held by the fake host and by the local libvirt alike."""

import hashlib
from dataclasses import replace
from functools import partial
from uuid import uuid4

import pytest

from hypervisors.host import libvirt_host
from hypervisors.libvirt.connection import open_connection
from hypervisors.libvirt.errors import AlreadyThere, Corrupted, NotThere, TooSmall, Unsupported
from hypervisors.libvirt.filters import FilterSpec, filter_name
from hypervisors.libvirt.network import DhcpHost, Ipv6Range, NatNetworkSpec, PlainNetworkSpec
from hypervisors.libvirt.pools import DirPoolSpec
from hypervisors.libvirt.segments import SegmentSpec, wire_name
from hypervisors.libvirt.storage import remove_pool
from tests.hypervisors.fake_host import FakeHost

MIB = 1024**2
CONTENT = b"content".ljust(MIB, b"\0")
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MAC = "52:54:00:5a:00:01"


@pytest.fixture(params=["fake", pytest.param("libvirt", marks=pytest.mark.lab)])
def host(request):
    if request.param == "fake":
        yield FakeHost()
        return
    connection = open_connection("qemu:///system")
    yield libvirt_host(connection)
    connection.close()


@pytest.fixture
def pool(host):
    """A pool of the test's own; gone afterwards with all in it."""
    name = f"cp-test-{uuid4().hex[:8]}"
    host.ensure_pool(DirPoolSpec(name, f"/var/lib/libvirt/{name}"))
    yield name
    for volume in host.list_volumes(name):
        host.delete_volume(name, volume.name)
    if not isinstance(host, FakeHost):
        remove_pool(host.connection, name, delete_directory=True)


@pytest.fixture
def image(host, pool, tmp_path):
    """A verified image of 1 MiB in the pool."""
    source = tmp_path / "image"
    source.write_bytes(CONTENT)
    host.upload_image(pool, "base", source, kind="raw", sha256=SHA256)
    return "base"


def test_pool_is_active_and_of_one_place(host, pool):
    again = host.ensure_pool(DirPoolSpec(pool, f"/var/lib/libvirt/{pool}"))

    assert (again.is_active, again.is_autostart) == (True, True)
    assert pool in [each.name for each in host.list_pools()]
    with pytest.raises(AlreadyThere):
        host.ensure_pool(DirPoolSpec(pool, "/elsewhere"))
    with pytest.raises(NotThere):
        host.pool_info("gone")


def test_image_is_verified_only_when_it_arrived_whole(host, pool, image, tmp_path):
    other = tmp_path / "other"
    other.write_bytes(CONTENT)

    assert host.is_verified(pool, image)
    with pytest.raises(Corrupted):
        host.upload_image(pool, "bad", other, kind="raw", sha256="0" * 64)
    assert not host.is_verified(pool, "bad")
    assert not host.is_verified(pool, "gone")


def test_overlay_lies_over_its_image_and_is_made_once(host, pool, image):
    made = [host.create_overlay(pool, "disk", image, 1) for _ in range(2)]

    assert [each.capacity_bytes for each in made] == [1024 * MIB] * 2
    assert made[0].backing_path == made[1].backing_path
    assert host.create_overlay(pool, "same", image, 0).capacity_bytes == MIB
    with pytest.raises(NotThere):
        host.create_overlay(pool, "none", "gone", 1)


def test_overlay_smaller_than_its_image_is_refused(host, pool):
    host.create_blank(pool, "big", 2 * 1024 * MIB, "raw")

    with pytest.raises(TooSmall):
        host.create_overlay(pool, "disk", "big", 1)


def test_content_is_replaced_and_volumes_go_without_complaint(host, pool):
    for content in (b"long" * 1000, b"short"):
        host.put_content(pool, "config", content)

    assert host.get_content(pool, "config") == b"short"
    for _ in range(2):
        host.delete_volume(pool, "config")
    host.delete_volume("gone", "config")
    assert host.list_volumes(pool, "con") == []
    with pytest.raises(NotThere):
        host.list_volumes("gone")


@pytest.mark.parametrize("kind", [NatNetworkSpec, PlainNetworkSpec])
def test_dhcp_entries_are_of_one_card_and_one_address(host, kind):
    octet = uuid4().int % 250 + 1
    prefix = f"10.216.{octet}"
    own = {} if kind is NatNetworkSpec else {"dhcp_address": f"{prefix}.254"}
    net = kind(
        f"cp-test-{uuid4().hex[:8]}", f"cpt{uuid4().hex[:8]}", uuid4(), f"{prefix}.0/24",
        f"{prefix}.1", **own,
    )  # fmt: skip
    try:
        for _ in range(2):
            host.ensure_network(net)
        host.ensure_dhcp_host(net.name, MAC.upper(), f"{prefix}.5", "one")
        host.ensure_dhcp_host(net.name, MAC, f"{prefix}.6", "one")

        assert host.list_dhcp_hosts(net.name) == [DhcpHost(MAC, f"{prefix}.6", "one")]
        with pytest.raises(AlreadyThere):
            host.ensure_dhcp_host(net.name, "52:54:00:5a:00:02", f"{prefix}.6", None)
        for _ in range(2):
            host.remove_dhcp_host(net.name, MAC)
        assert host.list_dhcp_hosts(net.name) == []
    finally:
        for _ in range(2):
            host.remove_network(net.name)
    host.remove_dhcp_host(net.name, MAC)
    with pytest.raises(NotThere):
        host.list_dhcp_hosts(net.name)
    with pytest.raises(NotThere):
        host.ensure_dhcp_host(net.name, MAC, f"{prefix}.5", None)


def test_a_network_takes_other_addresses_and_gives_those_of_both_families(host):
    octet = uuid4().int % 250 + 1
    four, six = f"10.214.{octet}", f"fd00:214:0:{octet:x}"
    net = NatNetworkSpec(
        f"cp-test-{uuid4().hex[:8]}", f"cpt{uuid4().hex[:8]}", uuid4(), f"{four}.0/24", f"{four}.1"
    )
    try:
        host.ensure_network(net)
        host.ensure_network(replace(net, six=Ipv6Range(f"{six}::/64", f"{six}::1")))
        for address in (f"{four}.5", f"{six}::5", f"{six}::6"):
            host.ensure_dhcp_host(net.name, MAC, address, "one")

        entries = set(host.list_dhcp_hosts(net.name))
        assert entries == {DhcpHost(MAC, f"{four}.5", "one"), DhcpHost(MAC, f"{six}::6", "one")}
        host.remove_dhcp_host(net.name, MAC)
        assert host.list_dhcp_hosts(net.name) == []
    finally:
        host.remove_network(net.name)


def test_a_tunnel_joins_a_network_until_it_is_taken_away(host):
    network_id = uuid4()
    octet = network_id.int % 250 + 1
    net = NatNetworkSpec(
        f"cp-test-{network_id.hex[:8]}", f"cpt{network_id.hex[:8]}", network_id,
        f"10.215.{octet}.0/24", f"10.215.{octet}.1", mtu=1450,
    )  # fmt: skip
    wire = SegmentSpec(
        network_id, net.bridge, "vxlan", network_id.int % 10**6 + 1, 1450, local="127.0.0.1",
        peers=("192.0.2.9",), own_address=net.gateway,
    )  # fmt: skip
    try:
        host.ensure_network(net)
        for _ in range(2):
            host.ensure_segment(wire, is_exact=True)
        assert wire_name(network_id) in host.list_segments()
        assert host.list_dhcp_hosts(net.name) == []
    finally:
        for _ in range(2):
            host.remove_segment(network_id)
            host.remove_network(net.name)
    assert wire_name(network_id) not in host.list_segments()


def test_what_a_host_does_not_have_a_network_does_not_lie_on(host):
    vlan = SegmentSpec(uuid4(), "cpt0", "vlan", 5, 1500, parent="none0")

    with pytest.raises(Unsupported, match="no interface none0"):
        host.ensure_segment(vlan, is_exact=True)
    with pytest.raises(Unsupported, match="no bridge none0"):
        host.find_bridge("none0")


def test_filters_are_named_by_their_ports(host):
    port = str(uuid4())

    for address in ("10.0.0.1", "10.0.0.2"):
        host.ensure_filter(FilterSpec(port, MAC, (address,)))
    assert filter_name(port) in host.list_filters()

    for _ in range(2):
        host.remove_filter(port)
    assert filter_name(port) not in host.list_filters()


def test_guest_that_is_not_there_is_named_so_and_removed_without_complaint(host, pool):
    nobody = uuid4()

    for act in (
        *(host.start_guest, host.guest_info, host.reboot_hard, host.read_metadata),
        *(host.pause_guest, host.unpause_guest, host.suspend_guest, host.interrupt_guest),
        partial(host.resume_guest, may_boot=True),
    ):
        with pytest.raises(NotThere):
            act(nobody)
    with pytest.raises(NotThere):
        host.shutdown_guest(nobody, 1)
    host.destroy_guest(nobody)
    host.remove_guest(nobody)
    assert host.read_console_log(pool, nobody, offset=None, max_bytes=10).content == b""
    host.remove_console_log(pool, nobody)

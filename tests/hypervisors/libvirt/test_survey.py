"""What a look at a whole host says, against the local libvirt."""

from __future__ import annotations

from pathlib import Path

import pytest

from hypervisors.libvirt import filters, guest, network, storage
from hypervisors.libvirt.difference import definition_difference
from hypervisors.libvirt.domain_devices import tap_name
from hypervisors.libvirt.domain_xml import domain_xml
from hypervisors.libvirt.survey import SurveyRequest, survey

pytestmark = pytest.mark.lab


@pytest.fixture
def request_all(pool):
    return SurveyRequest(pools=(pool,), network_prefix="cp-test-", base_prefix="base-")


def look(connection, request_all, server):
    """What is seen, and of it the server's domain."""
    seen = survey(connection, request_all)
    return seen, next((each for each in seen.domains if each.uuid == server.uuid), None)


def test_a_guest_is_seen_as_it_was_defined(connection, request_all, server):
    guest.define_guest(connection, domain_xml(server))
    guest.start_guest(connection, server.uuid)

    seen, domain = look(connection, request_all, server)

    card = server.interfaces[0]
    assert domain is not None
    assert (domain.power_state, domain.is_persistent, domain.is_ours) == ("running", True, True)
    assert domain.metadata == server.metadata
    assert (domain.macs, domain.networks) == ((card.mac,), (card.network,))
    assert domain.filters == (card.filter_name,)
    assert domain.volumes == ((server.disks[0].pool, server.disks[0].volume),)
    assert definition_difference(domain_xml(server), domain.xml) == ""
    assert server.disks[0].volume in {each.name for each in seen.volumes}
    assert card.filter_name in seen.filters


def test_what_a_hand_did_to_a_guest_is_seen(connection, request_all, server):
    guest.define_guest(connection, domain_xml(server))
    guest.start_guest(connection, server.uuid)
    changed = domain_xml(server).replace('unit="MiB">32<', 'unit="MiB">48<')
    connection.call(lambda raw: raw.defineXML(changed))

    _, domain = look(connection, request_all, server)
    guest.undefine_guest(connection, server.uuid)
    _, unkept = look(connection, request_all, server)
    guest.remove_guest(connection, server.uuid)
    _, gone = look(connection, request_all, server)

    assert domain is not None
    assert unkept is not None
    difference = definition_difference(domain_xml(server), domain.xml)
    assert '+  <memory unit="KiB">49152</memory>' in difference
    assert (unkept.is_persistent, unkept.power_state) == (False, "running")
    assert gone is None


def test_a_look_at_some_guests_reads_no_other(connection, request_all, server):
    guest.define_guest(connection, domain_xml(server))
    nothing = SurveyRequest(
        pools=(), network_prefix="none-", base_prefix="base-", guests=frozenset(), ports=frozenset()
    )

    seen, domain = look(connection, nothing, server)

    assert domain is not None
    assert (domain.xml, domain.macs) == ("", ())
    assert set(seen.filters.values()) <= {None}


def test_networks_and_filters_are_seen(connection, request_all, net, server):
    address = net.gateway.removesuffix(".1") + ".77"
    network.ensure_dhcp_host(connection, net.name, "52:54:00:00:77:01", address, "one")

    running, _ = look(connection, request_all, server)
    connection.call(lambda raw: raw.networkLookupByName(net.name).destroy())
    stopped, _ = look(connection, request_all, server)
    network.ensure_network(connection, net)
    network.remove_dhcp_host(connection, net.name, "52:54:00:00:77:01")

    [before] = [each for each in running.networks if each.name == net.name]
    [after] = [each for each in stopped.networks if each.name == net.name]
    assert (before.uuid, before.bridge, before.is_active) == (net.uuid, net.bridge, True)
    assert [entry.ip for entry in before.kept] == [entry.ip for entry in before.live or ()]
    assert [entry.ip for entry in before.kept] == [address]
    assert (after.is_active, after.live, after.kept) == (False, None, before.kept)
    rules = running.filters[server.interfaces[0].filter_name]
    spec = filters.FilterSpec(
        server.interfaces[0].port_id,
        server.interfaces[0].mac,
        (net.gateway.removesuffix(".1") + ".9",),
    )
    assert rules == filters.canonical_rules(filters.filter_xml(spec))


def test_a_file_removed_behind_libvirt_s_back_is_missed(
    connection,
    request_all,
    pool,
    server,
):
    volume = server.disks[0].volume
    path = Path(storage.volume_path(connection, pool, volume))
    path.unlink()

    again = SurveyRequest(
        pools=(pool,), network_prefix="cp-test-", base_prefix="base-", refresh=True
    )

    assert volume not in {each.name for each in survey(connection, again).volumes}


def test_who_lies_over_a_base_image_is_told_when_that_is_not_settled(
    connection,
    request_all,
    pool,
):
    storage.create_blank(connection, pool, "base-one", 1024**2)
    storage.create_overlay(connection, pool, "over", "base-one", 1)

    seen = survey(connection, request_all)
    storage.delete_volume(connection, pool, "over")
    storage.delete_volume(connection, pool, "base-one")

    assert {each.backing for each in seen.volumes if each.name == "over"} == {"base-one"}


def test_cards_are_plugged_into_a_network_that_was_started_anew(
    connection,
    net,
    server,
):
    guest.define_guest(connection, domain_xml(server))
    guest.start_guest(connection, server.uuid)
    plug = Path(f"/sys/class/net/{net.bridge}/brif/{tap_name(server.interfaces[0].port_id)}")
    was_plugged = plug.exists()
    connection.call(lambda raw: raw.networkLookupByName(net.name).destroy())
    network.ensure_network(connection, net)
    was_unplugged = not plug.exists()

    guest.replug(connection, net.name)
    guest.replug(connection, net.name)

    xml = guest.guest_xml(connection, server.uuid)
    assert (was_plugged, was_unplugged, plug.exists()) == (True, True, True)
    assert f"network='{net.name}'" in xml
    assert f"filter='{server.interfaces[0].filter_name}'" in xml
    assert guest.guest_info(connection, server.uuid).power_state == "running"

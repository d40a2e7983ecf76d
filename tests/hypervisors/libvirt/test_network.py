import inspect
from dataclasses import replace
from typing import Any, cast
from uuid import UUID
from xml.etree import ElementTree as ET

import libvirt
import pytest

from hypervisors.libvirt.network import (
    DhcpHost,
    Ipv6Range,
    NatNetworkSpec,
    PlainNetworkSpec,
    bridge_mac,
    ensure_network,
    network_xml,
    read_entries,
)
from tests.hypervisors.libvirt.specs import at

NETWORK = UUID("0a000000-0000-4000-8000-000000000001")
SPEC = NatNetworkSpec("cp-net", "cpbr0", NETWORK, "10.9.0.0/24", "10.9.0.1")


def test_network_is_nat_with_static_addresses_only():
    spec = NatNetworkSpec(
        "cp-net", "cpbr0", NETWORK, "10.9.0.0/24", "10.9.0.1", ("9.9.9.9",), 1400, "cloud.test"
    )

    root = ET.fromstring(network_xml(spec))

    assert at(root, "forward").get("mode") == "nat"
    assert at(root, "bridge").get("name") == "cpbr0"
    assert at(root, "mtu").get("size") == "1400"
    assert at(root, "domain").get("name") == "cloud.test"
    assert at(root, "dns/forwarder").get("addr") == "9.9.9.9"
    assert at(root, "ip").attrib == {"address": "10.9.0.1", "prefix": "24"}
    assert root.find("ip/dhcp/range") is None
    own = at(root, "ip/dhcp/host").attrib
    assert own == {"mac": bridge_mac(NETWORK), "ip": "10.9.0.1"}


@pytest.mark.parametrize(
    ("mode", "entries", "options"),
    [
        ("slaac", [], []),
        ("dhcpv6-stateless", [], ["dhcp-range=fd00:9::,ra-stateless,64"]),
        (
            "dhcpv6-stateful",
            [{"id": f"00:03:00:01:{bridge_mac(NETWORK)}", "ip": "fd00:9::1"}],
            [],
        ),
    ],
)
def test_ipv6_is_advertised_as_its_mode_has_it(mode, entries, options):
    spec = replace(SPEC, six=Ipv6Range("fd00:9::/64", "fd00:9::1", mode))

    root = ET.fromstring(network_xml(spec))

    assert at(root, "forward/nat").attrib == {"ipv6": "yes"}
    four, six = root.iterfind("ip")
    assert four.get("family") is None
    assert six.attrib == {"address": "fd00:9::1", "prefix": "64", "family": "ipv6"}
    assert [each.attrib for each in six.iterfind("dhcp/host")] == entries
    name = "{http://libvirt.org/schemas/network/dnsmasq/1.0}option"
    assert [each.get("value") for each in root.iter(name)] == options


def test_a_network_may_have_ipv6_alone():
    spec = NatNetworkSpec("n", "b", NETWORK, "", "", six=Ipv6Range("fd00:9::/64", "fd00:9::1"))

    assert [each.get("family") for each in ET.fromstring(network_xml(spec)).iter("ip")] == ["ipv6"]
    with pytest.raises(ValueError, match="not in"):
        network_xml(replace(spec, six=Ipv6Range("fd00:9::/64", "fd00:8::1")))


def test_entries_of_both_families_are_of_the_same_card():
    xml = """<network><mac address='52:54:00:00:00:01'/>
      <ip address='10.9.0.1' prefix='24'><dhcp>
        <host mac='52:54:00:00:00:01' ip='10.9.0.1'/>
        <host mac='FA:16:3e:00:00:02' ip='10.9.0.2' name='two'/></dhcp></ip>
      <ip family='ipv6' address='fd00:9::1' prefix='64'><dhcp>
        <host id='00:03:00:01:52:54:00:00:00:01' ip='fd00:9::1'/>
        <host id='00:03:00:01:fa:16:3e:00:00:02' ip='fd00:9::2'/></dhcp></ip></network>"""

    assert read_entries(xml) == [
        DhcpHost("fa:16:3e:00:00:02", "10.9.0.2", "two"),
        DhcpHost("fa:16:3e:00:00:02", "fd00:9::2", None),
    ]


@pytest.mark.parametrize(
    ("cidr", "gateway", "dns"),
    [
        ("10.9.0.0/24", "10.8.0.1", ()),
        ("10.9.0.5/24", "10.9.0.1", ()),
        ("10.9.0.0/24", "10.9.0.1", ("nowhere",)),
        ("fd00::/64", "fd00::1", ()),
    ],
)
def test_impossible_network_is_refused(cidr, gateway, dns):
    with pytest.raises(ValueError, match=r"not in|host bits|Expected|not appear"):
        network_xml(NatNetworkSpec("n", "b", NETWORK, cidr, gateway, dns))


def test_where_the_gateway_is_elsewhere_the_host_only_gives_addresses():
    spec = PlainNetworkSpec(
        *("cp-net", "cpbr0", NETWORK, "10.9.0.0/24", "10.9.0.1", "10.9.0.254", ("9.9.9.9",), 1400)
    )

    root = ET.fromstring(network_xml(spec))

    assert root.find("forward") is None
    assert root.find("dns") is None
    assert at(root, "ip").attrib == {"address": "10.9.0.254", "prefix": "24"}
    assert at(root, "mtu").get("size") == "1400"
    name = "{http://libvirt.org/schemas/network/dnsmasq/1.0}option"
    values = [each.get("value") for each in root.iter(name)]
    assert values == ["dhcp-option=3,10.9.0.1", "dhcp-option=6,9.9.9.9"]


def test_without_dhcp_the_host_has_a_bridge_and_no_address():
    root = ET.fromstring(
        network_xml(PlainNetworkSpec("n", "b", NETWORK, "10.9.0.0/24", "10.9.0.1"))
    )

    assert [each.tag for each in root] == ["name", "uuid", "bridge", "mac"]


def test_a_bridge_that_is_there_is_used_and_left_as_it_is():
    spec = PlainNetworkSpec("n", "br0", NETWORK, "10.9.0.0/24", mtu=1400, is_found=True)

    root = ET.fromstring(network_xml(spec))

    assert at(root, "forward").get("mode") == "bridge"
    assert at(root, "bridge").attrib == {"name": "br0"}
    assert [each.tag for each in root] == ["name", "uuid", "forward", "bridge"]


@pytest.mark.parametrize(
    "fields",
    [
        {"dhcp_address": "10.8.0.1"},
        {"dhcp_address": "10.9.0.2", "gateway": "x"},
        {"dhcp_address": "10.9.0.2", "dns": ("x",)},
    ],
)
def test_impossible_plain_network_is_refused(fields):
    with pytest.raises(ValueError, match=r"not in|Expected|not appear"):
        network_xml(PlainNetworkSpec("n", "b", NETWORK, "10.9.0.0/24", **fields))


class _Race:
    """A network that another build starts just before this one does."""

    def __init__(self, *, other_starts_it):
        self._active = False
        self._other_starts_it = other_starts_it

    def networkLookupByName(self, name):  # noqa: N802 - libvirt's name
        return self

    def UUIDString(self):  # noqa: N802 - libvirt's name
        return str(NETWORK)

    def isActive(self):  # noqa: N802 - libvirt's name
        return self._active

    def XMLDesc(self):  # noqa: N802 - libvirt's name
        return network_xml(SPEC)

    def autostart(self):
        return True

    def create(self):
        self._active = self._other_starts_it
        raise libvirt.libvirtError("network is already active")


def test_a_network_that_another_build_has_just_started_is_there():
    race = _Race(other_starts_it=True)

    inspect.unwrap(ensure_network)(cast(Any, race), SPEC)

    assert race.isActive()


def test_a_network_that_does_not_start_is_an_error():
    with pytest.raises(libvirt.libvirtError):
        inspect.unwrap(ensure_network)(cast(Any, _Race(other_starts_it=False)), SPEC)

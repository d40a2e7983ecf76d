import inspect
from typing import Any, cast
from uuid import UUID
from xml.etree import ElementTree as ET

import libvirt
import pytest

from hypervisors.libvirt.network import (
    NatNetworkSpec,
    bridge_mac,
    ensure_network,
    network_xml,
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

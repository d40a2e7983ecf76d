"""Settings of networks: read whole, or refused with what is wrong."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from cloudportal.network_numbers import network_type, vlan_numbers, vxlan_numbers


def test_ranges_hold_their_last_number():
    assert vxlan_numbers("5:7") == range(5, 8)
    assert vlan_numbers(["rack:100:101", "office:7:7"]) == {
        "rack": range(100, 102),
        "office": range(7, 8),
    }
    assert vlan_numbers([]) == {}


@pytest.mark.parametrize("text", ["", "5", "7:5", "0:5", "1:16777216", "a:b", "1:2:3", "-1:5"])
def test_what_is_no_range_of_tunnels_is_refused(text):
    with pytest.raises(ImproperlyConfigured, match="CLOUDPORTAL_VXLAN_IDS"):
        vxlan_numbers(text)


@pytest.mark.parametrize("texts", [["100:200"], [":1:2"], ["a:1:4095"], ["a:1:2", "a:3:4"]])
def test_what_is_no_range_of_vlans_is_refused(texts):
    with pytest.raises(ImproperlyConfigured, match="CLOUDPORTAL_VLAN_IDS"):
        vlan_numbers(texts)


def test_only_types_that_every_host_can_have_are_the_clouds_own_choice():
    assert [network_type("nat"), network_type("vxlan")] == ["nat", "vxlan"]
    with pytest.raises(ImproperlyConfigured, match="nat or vxlan"):
        network_type("vlan")

"""VLANs, tunnels and bridges of hosts, as callers ask for them."""

from __future__ import annotations

from functools import partial
from uuid import uuid4

import pytest

from cloudportal.errors import Invalid
from hypervisors import segments
from hypervisors.errors import HostBusy, HostCannot
from hypervisors.libvirt import errors as driver
from hypervisors.models import Hypervisor
from hypervisors.segments import PlainNetworkSpec, SegmentSpec

NETWORK = uuid4()
TUNNEL = SegmentSpec(NETWORK, "cpb0", "vxlan", 42, 1450, local="10.0.0.1")
PLAIN = PlainNetworkSpec("cp-net", "cpb0", NETWORK, "10.9.0.0/24", "10.9.0.1")


def test_a_tunnel_is_made_and_taken_away(hypervisor, host):
    for _ in range(2):
        segments.ensure_segment(hypervisor, TUNNEL, is_exact=True)
    assert segments.segments_on(hypervisor) == [segments.wire_name(NETWORK)]

    for _ in range(2):
        segments.remove_segment(hypervisor, NETWORK)
    assert segments.segments_on(hypervisor) == []


def test_what_a_host_lacks_is_said(hypervisor, host):
    assert segments.find_bridge(hypervisor, "br0") == "br0"
    with pytest.raises(HostCannot):
        segments.find_bridge(hypervisor, "none0")


def test_a_race_that_was_lost_is_worth_another_try(hypervisor, host):
    host.fail_on("ensure_segment", driver.Busy("changing"))

    with pytest.raises(HostBusy):
        segments.ensure_segment(hypervisor, TUNNEL, is_exact=False)


@pytest.mark.parametrize(
    ("method", "act"),
    [
        ("ensure_segment", partial(segments.ensure_segment, spec=TUNNEL, is_exact=True)),
        ("ensure_network", partial(segments.ensure_plain_network, spec=PLAIN)),
    ],
)
def test_addresses_that_are_none_are_the_callers_fault(hypervisor, host, monkeypatch, method, act):
    def refuse(spec, **options):
        raise ValueError("not an address")

    monkeypatch.setattr(host, method, refuse)

    with pytest.raises(Invalid, match="not an address"):
        act(hypervisor)


@pytest.mark.parametrize(
    ("host_ip", "told", "address"),
    [
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("127.0.0.1", None, ""),
        ("127.0.0.1", "192.0.2.1", "192.0.2.1"),
    ],
)
def test_tunnels_lead_where_others_reach_the_host(host_ip, told, address):
    assert segments.tunnel_address(Hypervisor(host_ip=host_ip, tunnel_address=told)) == address

"""Addresses: pools, and callers who race for them."""

import threading
from ipaddress import IPv4Address, IPv4Network

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from networks.addresses import default_pools, free_address, is_in_pools, pool_address, pool_size
from networks.create import NewPort, WantedAddress, create_port
from networks.errors import IpAddressGenerationFailure, IpAddressInUse, MacAddressInUse
from networks.models import FixedIP, Port
from quotas.models import QuotaLimit

ranges = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=1, max_size=6)


def pools_of(steps):
    """Disjoint pools from gaps and lengths."""
    pools, position = [], int(IPv4Address("10.0.0.0"))
    for gap, length in steps:
        first = position + gap
        position = first + length
        pools.append([str(IPv4Address(first)), str(IPv4Address(position - 1))])
    return pools


@settings(deadline=None)
@given(ranges)
def test_pool_addresses_are_distinct_and_inside(steps):
    pools = pools_of(steps)

    addresses = [pool_address(pools, index) for index in range(pool_size(pools))]

    assert len(set(addresses)) == len(addresses) == sum(length for _, length in steps)
    assert all(is_in_pools(pools, address) for address in addresses)
    with pytest.raises(IndexError):
        pool_address(pools, pool_size(pools))


@settings(deadline=None)
@given(ranges, st.data())
def test_free_address_is_found_exactly_while_there_is_one(steps, data):
    pools = pools_of(steps)
    everything = [pool_address(pools, index) for index in range(pool_size(pools))]
    taken = set(data.draw(st.lists(st.sampled_from(everything), max_size=len(everything))))
    if data.draw(st.booleans()):
        taken = set(everything) - set(data.draw(st.lists(st.sampled_from(everything), max_size=1)))

    def which(asked):
        return taken if asked is None else taken & set(asked)

    found = free_address(pools, which)

    assert (found is None) == (taken == set(everything))
    assert found is None or (found in everything and found not in taken)


@settings(deadline=None)
@given(st.integers(8, 30), st.integers(0, 2**32 - 1), st.booleans())
def test_default_pools_are_all_hosts_but_the_gateway(length, seed, has_gateway):
    cidr = IPv4Network((seed, length), strict=False)
    gateway = str(cidr.network_address + 1 + seed % (cidr.num_addresses - 2))

    pools = default_pools(str(cidr), gateway if has_gateway else None)

    assert pool_size(pools) == cidr.num_addresses - 2 - has_gateway
    assert is_in_pools(pools, gateway) != has_gateway
    assert not is_in_pools(pools, str(cidr.network_address))
    assert not is_in_pools(pools, str(cidr.broadcast_address))


@pytest.mark.django_db
def test_pool_gives_every_address_once_and_then_says_it_is_empty(make_network, member):
    network = make_network("10.6.0.0/28")

    ports = [make_port(network, member) for _ in range(13)]
    with pytest.raises(IpAddressGenerationFailure):
        make_port(network, member)

    given_out = {port.fixed_ips.get().address for port in ports}
    assert given_out == {f"10.6.0.{host}" for host in range(2, 15)}
    assert Port.objects.count() == 13


def make_port(network, actor, **fields):
    wanted = NewPort(str(network.pk), **fields)
    return create_port(wanted=wanted, actor=actor, now=timezone.now())


@pytest.mark.django_db
def test_address_and_mac_are_taken_once(network, member):
    fields = {"mac_address": "fa:16:3e:00:00:01", "fixed_ips": [WantedAddress(None, "10.5.0.9")]}
    make_port(network, member, **fields)

    with pytest.raises(MacAddressInUse):
        make_port(network, member, **fields)
    with pytest.raises(IpAddressInUse):
        make_port(network, member, fixed_ips=fields["fixed_ips"])

    assert Port.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_ports_made_at_once_get_distinct_addresses_until_none_is_left(make_network, member):
    network = make_network("10.7.0.0/24")
    QuotaLimit.objects.create(project_id="p1", resource="ports", limit=-1)
    failures, refused = [], []
    barrier = threading.Barrier(20)

    def work():
        barrier.wait()
        try:
            for _ in range(13):
                try:
                    make_port(network, member)
                except IpAddressGenerationFailure:
                    refused.append(1)
        except Exception as error:  # noqa: BLE001 - a thread's failure must reach the test
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    addresses = list(FixedIP.objects.values_list("address", flat=True))
    macs = list(Port.objects.values_list("mac_address", flat=True))
    # A /24 without its ends and its gateway.
    assert len(addresses) == len(set(addresses)) == 253
    assert len(macs) == len(set(macs)) == 253
    assert len(refused) == 20 * 13 - 253
    assert all(mac.startswith("fa:16:3e:") for mac in macs)

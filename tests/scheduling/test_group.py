"""Groups: which hosts their policies leave, and which they favour."""

import uuid

import pytest

from scheduling import groups
from scheduling.choose import choose_hosts
from scheduling.groups import GroupOfServers, with_group
from scheduling.models import Allocation
from scheduling.request_spec import GroupNeeds, RequestSpec
from tests.scheduling.hosts import make_host

pytestmark = pytest.mark.django_db


def chosen(policy, on, most=1, **fields):
    """The names of the hosts left, best first, for a group with so many members on hosts."""
    hosts = {host.pk: number for host, number in on.items()}
    needs = GroupNeeds(policy, most, hosts)
    spec = RequestSpec(**{"vcpus": 1, "ram_mib": 1, "disk_gib": 1, "group": needs, **fields})
    choice = choose_hosts(spec, without=[])
    return [each.host for each in choice.candidates], choice


def test_affinity_leaves_the_hosts_of_the_others():
    here, _ = make_host(), make_host()

    names, choice = chosen("affinity", {here: 2})

    assert names == [here.name]
    assert "affinity removed 1" in choice.refusal()


def test_the_first_of_a_group_may_go_anywhere():
    for policy in ("affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"):
        host = make_host(name=policy)
        assert host.name in chosen(policy, {})[0]


@pytest.mark.parametrize(("most", "left"), [(1, 1), (2, 2), (3, 3)])
def test_anti_affinity_removes_hosts_with_as_many_as_may_share_one(most, left):
    one, two, _ = make_host(), make_host(), make_host()

    names, choice = chosen("anti-affinity", {one: 1, two: 2}, most)

    assert len(names) == left
    [asked] = [each for each in choice.filters if each["name"] == "anti_affinity"] or [{}]
    assert asked.get("removed", 0) == 3 - left


def test_soft_affinity_outweighs_everything_else():
    crowded = make_host(ram_mib_used=8000, vcpus_used=7, disk_gib_used=90, build_failures=9)
    some, empty = make_host(ram_mib_used=100), make_host()

    names, choice = chosen("soft-affinity", {crowded: 2, some: 1})

    assert names == [crowded.name, some.name, empty.name]
    assert choice.candidates[0].weights["soft_affinity"] == 100.0


def test_soft_anti_affinity_goes_where_the_fewest_are():
    two, one = make_host(), make_host()
    empty = make_host(ram_mib_used=8000, vcpus_used=7, disk_gib_used=90, build_failures=9)

    names, _ = chosen("soft-anti-affinity", {two: 2, one: 1})

    assert names == [empty.name, one.name, two.name]


def test_a_forced_host_is_not_spared_its_groups_policy():
    here, there = make_host(), make_host(is_enabled=False)

    assert chosen("anti-affinity", {here: 1}, host=here.name)[0] == []
    assert chosen("anti-affinity", {here: 1}, host=there.name)[0] == [there.name]
    assert chosen("affinity", {here: 1}, host=there.name)[0] == []


def test_allocations_say_where_the_others_are(monkeypatch):
    here = make_host()
    server, other = uuid.uuid4(), uuid.uuid4()
    for each in (server, other):
        Allocation.objects.create(server_id=each, hypervisor=here, vcpus=1, ram_mib=1, disk_gib=1)
    told = GroupOfServers("affinity", 1, (other,))
    monkeypatch.setattr(groups, "_tellers", [lambda server_id, lock: told])

    spec = with_group(RequestSpec(1, 1, 1), server, lock=False)

    assert spec.group == GroupNeeds("affinity", 1, {here.pk: 1})
    assert "group" not in spec.to_json()


@pytest.mark.parametrize(
    ("near", "left"),
    [
        ("10.1.2.3/32", ["exact"]),
        ("10.1.2.0/24", ["exact", "last"]),
        ("10.1.2.0/25", ["exact"]),
        ("10.1.0.0/16", ["exact", "last", "next"]),
        ("10.1.2.0/23", ["exact", "last", "next"]),
        ("8.0.0.0/5", ["exact", "last", "next"]),
        ("0.0.0.0/0", ["exact", "far", "last", "next"]),
        ("10.1.20.0/24", []),
        ("fd00::/64", ["six"]),
        ("fd00:1::/64", []),
    ],
)
def test_near_leaves_the_hosts_of_the_network(near, left):
    addresses = {
        "exact": "10.1.2.3",
        "last": "10.1.2.200",
        "next": "10.1.3.3",
        "far": "110.1.2.3",
        "six": "fd00:0::0:7",
        "named": "host.example.org",
        "unknown": "",
    }
    for name, address in addresses.items():
        make_host(name=name, host_ip=address)
    spec = RequestSpec(1, 1, 1, near=near)

    choice = choose_hosts(spec, without=[])

    assert sorted(each.host for each in choice.candidates) == left


def test_a_query_counts_in_the_explanation():
    make_host(ram_mib=2048)
    spec = RequestSpec(1, 1, 1, query=[">=", "$free_ram_mb", 4096])

    assert "json_query removed 1" in choose_hosts(spec, without=[]).refusal()


def test_a_hint_that_names_no_server_finds_none():
    make_host()

    assert (
        "same_host removed 1"
        in choose_hosts(RequestSpec(1, 1, 1, same_host=["nonsense"]), without=[]).refusal()
    )

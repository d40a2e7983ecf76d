"""A plan says of each server where it goes and what is in its way, and does nothing."""

from __future__ import annotations

import uuid

import pytest
from django.utils import timezone

from cloudportal.errors import Forbidden, Invalid
from hypervisors.models import Hypervisor, PhysicalNetwork
from maintenance.drain import DrainWish, plan_drain
from maintenance.models import Drain, DrainItem
from maintenance.states import DrainState, ItemState, Way
from networks.models import Network, NetworkType
from operations.models import UNFINISHED, Operation
from scheduling.models import Allocation
from servers.models import GroupPolicy, Server, ServerGroup
from servers.states import TaskState, VmState
from tests.authorisation import OWN_PROJECT, OWNER, actor_named
from tests.maintenance.conftest import ADMIN
from tests.scheduling.two_cells import CELLS, pinned
from volumes.models import Attachment, Volume, VolumeType

pytestmark = pytest.mark.django_db(transaction=True)


def test_every_server_has_its_way_and_its_destination_and_nothing_is_done(site, switched_off):
    running, off, _ = site.servers
    switched_off(off)

    drain = site.plan()

    assert drain.state == DrainState.PLANNED
    assert [(each.way, each.state) for each in drain.items.filter(server=off)] == [
        (Way.COLD, ItemState.WAITING)
    ]
    item = site.item(running)
    assert (item.way, item.state, item.destination) == (Way.LIVE, ItemState.WAITING, "host2")
    assert item.reason.startswith("The best of 2 hosts that can have it, of 2 asked, with weight ")
    assert site.source.is_enabled
    assert not Operation.objects.filter(state__in=UNFINISHED).exists()
    assert Allocation.objects.count() == len(site.servers)


def test_servers_that_are_off_are_left_when_asked_so(site, switched_off):
    switched_off(site.servers[0])

    site.plan(moves_stopped=False)

    item = site.item(site.servers[0])
    assert (item.way, item.state) == (Way.NONE, ItemState.BLOCKED)
    assert "leaves servers that are off" in item.reason


@pytest.mark.parametrize(
    ("fields", "state", "words"),
    [
        ({"vm_state": VmState.SUSPENDED}, ItemState.BLOCKED, "suspended"),
        ({"vm_state": VmState.RESCUED}, ItemState.BLOCKED, "rescue"),
        ({"vm_state": VmState.RESIZED}, ItemState.BLOCKED, "confirmed or reverted"),
        ({"vm_state": VmState.ERROR}, ItemState.BLOCKED, "ERROR"),
        ({"vm_state": VmState.SHELVED}, ItemState.BLOCKED, "shelved"),
        ({"adopted_name": "legacy"}, ItemState.BLOCKED, "was adopted"),
        ({"task_state": TaskState.REBOOTING}, ItemState.WAITING, "rebooting"),
        ({"vm_state": VmState.PAUSED}, ItemState.WAITING, "The best of"),
        ({"locked_by": "owner", "locked_reason": "mine"}, ItemState.WAITING, "locked (mine)"),
    ],
)
def test_what_a_server_does_decides_whether_it_can_leave(site, fields, state, words):
    Server.objects.filter(pk=site.servers[0].pk).update(**fields)

    site.plan()

    item = site.item(site.servers[0])
    assert item.state == state
    assert words in item.reason


def test_volumes_bind_a_server_to_its_host_and_are_named(site):
    volume = attach_volume(site.servers[0], site.source)

    site.plan()

    item = site.item(site.servers[0])
    assert (item.way, item.state) == (Way.NONE, ItemState.BLOCKED)
    assert str(volume.pk) in item.reason


def test_room_is_counted_over_the_whole_plan(site):
    # Each server takes 256 MiB: one fits there, and one here.
    Hypervisor.objects.filter(name="host2").update(ram_mib=300)
    Hypervisor.objects.filter(name="host3").update(ram_mib=300)

    drain = site.plan()

    found = [(each.state, each.destination) for each in drain.items.order_by("position")]
    assert sorted(name for _, name in found) == ["", "host2", "host3"]
    [blocked] = drain.items.filter(state=ItemState.BLOCKED)
    assert "ram removed 2" in blocked.reason


def test_a_server_with_nodes_is_in_the_way_while_it_runs(site):
    give_nodes(site.servers[0])

    site.plan()

    item = site.item(site.servers[0])
    assert (item.way, item.state, item.destination) == (Way.NONE, ItemState.BLOCKED, "")
    assert "It has NUMA nodes" in item.reason


def test_a_server_with_devices_of_the_host_is_in_the_way_while_it_runs(site):
    asked = {**site.servers[0].request_spec, "pci": "gpu:1"}
    Server.objects.filter(pk=site.servers[0].pk).update(request_spec=asked)

    site.plan()

    item = site.item(site.servers[0])
    assert (item.way, item.state, item.destination) == (Way.NONE, ItemState.BLOCKED, "")
    assert "It has PCI devices" in item.reason


def test_a_server_with_a_tpm_is_in_the_way_while_it_is_off(site, switched_off):
    asked = {**site.servers[0].request_spec, "tpm": "tpm-crb:2.0"}
    Server.objects.filter(pk=site.servers[0].pk).update(request_spec=asked)
    switched_off(site.servers[0])

    site.plan()

    item = site.item(site.servers[0])
    assert (item.way, item.state, item.destination) == (Way.NONE, ItemState.BLOCKED, "")
    assert "It has a TPM" in item.reason


def test_cells_are_counted_over_the_whole_plan(site, switched_off):
    for name in ("host2", "host3"):
        give_a_cell(name)
    for server in site.servers:
        # Each takes all processors of a cell: one fits there, and one here.
        give_nodes(server)
        switched_off(server)

    drain = site.plan()

    found = [(each.state, each.destination) for each in drain.items.order_by("position")]
    assert sorted(name for _, name in found) == ["", "host2", "host3"]
    [blocked] = drain.items.filter(state=ItemState.BLOCKED)
    assert "numa_topology removed 2" in blocked.reason


def test_members_of_a_group_that_are_kept_apart_are_planned_apart(site):
    group = ServerGroup.objects.create(
        project_id=OWN_PROJECT, user_id=OWNER, name="apart", policy=GroupPolicy.ANTI_AFFINITY
    )
    Server.objects.filter(pk__in=[each.pk for each in site.servers]).update(group=group)

    drain = site.plan()

    assert sorted(drain.items.values_list("destination", flat=True)) == ["", "host2", "host3"]
    [blocked] = drain.items.filter(state=ItemState.BLOCKED)
    assert "anti_affinity removed 2" in blocked.reason


def test_hosts_that_cannot_run_the_guest_are_no_destination(site):
    Hypervisor.objects.filter(name="host2").update(arch="aarch64")
    Hypervisor.objects.filter(name="host3").update(domain_type="kvm")

    site.plan()

    assert set(site.states()) == {ItemState.BLOCKED}
    assert "No valid host was found." in site.item(site.servers[0]).reason


def test_planned_again_it_is_the_same_plan_worked_out_anew(site):
    first = site.plan()
    Server.objects.filter(pk=site.servers[0].pk).update(vm_state=VmState.SUSPENDED)

    again = site.plan(max_at_once=3)

    assert again.pk == first.pk
    assert (again.max_at_once, Drain.objects.count()) == (3, 1)
    assert DrainItem.objects.count() == len(site.servers)
    assert site.item(site.servers[0]).state == ItemState.BLOCKED
    assert [each["did"] for each in again.log] == ["plan", "plan"]


def test_a_server_that_left_something_here_has_to_be_settled_first(site):
    Server.objects.filter(pk=site.servers[0].pk).update(
        vm_state=VmState.RESIZED, hypervisor=Hypervisor.objects.get(name="host2")
    )

    site.plan()

    item = site.item(site.servers[0])
    assert item.state == ItemState.WAITING
    assert "confirmed or reverted" in item.reason


def test_the_hosts_are_asked_before_the_start_and_the_plan_heeds_what_they_say(site):
    site.hosts["host2"].lacks_cpu = True
    site.plan()
    assert site.item(site.servers[0]).destination == "host2"

    for _ in range(3):
        site.turn()

    for server in site.servers:
        item = site.item(server)
        assert (item.destination, item.is_checked) == ("host3", True)
        assert "CPU" in item.refused["host2"]
    assert not Operation.objects.filter(state__in=UNFINISHED).exists()


def test_a_server_that_every_host_refuses_is_blocked_before_the_start(site):
    site.hosts["host2"].lacks_cpu = site.hosts["host3"].lacks_cpu = True
    site.plan()

    for _ in range(3):
        site.turn()

    item = site.item(site.servers[0])
    assert item.state == ItemState.BLOCKED
    assert "host2: Migration pre-check error" in item.reason
    assert "host3: Migration pre-check error" in item.reason
    site.hosts["host2"].lacks_cpu = False
    site.plan()
    site.turn()
    assert site.item(site.servers[0]).is_checked


def test_a_host_that_does_not_answer_is_asked_again_later(site):
    site.plan()
    site.hosts["host2"].be_down()
    site.turn()
    assert not site.item(site.servers[0]).is_checked
    site.hosts["host2"].be_down(False)

    site.turn()
    assert not site.item(site.servers[0]).is_checked
    site.turn(later_s=60)

    assert site.item(site.servers[0]).is_checked


@pytest.mark.parametrize("at_once", [0, 17])
def test_too_many_at_a_time_or_none_are_refused(site, at_once):
    with pytest.raises(Invalid, match="From 1 to 16"):
        site.plan(max_at_once=at_once)

    assert not Drain.objects.exists()


def test_only_administrators_plan(site):
    with pytest.raises(Forbidden):
        plan_drain(
            hypervisor=site.source,
            wish=DrainWish(),
            actor=actor_named("manager"),
            now=timezone.now(),
        )


def test_an_empty_host_has_an_empty_plan(site):
    host = Hypervisor.objects.get(name="host3")

    drain = plan_drain(hypervisor=host, wish=DrainWish(), actor=ADMIN, now=timezone.now())

    assert not drain.items.exists()


def give_nodes(server: Server, vcpus: int = 8) -> None:
    """Let it have asked for a processor of its own for each of so many vCPUs."""
    asked = {**server.request_spec, "numa": pinned(vcpus).to_json()}
    Server.objects.filter(pk=server.pk).update(request_spec=asked)


def give_a_cell(name: str) -> None:
    host = Hypervisor.objects.get(name=name)
    host.capabilities["cells"] = [CELLS[0].to_json()]
    host.save(update_fields=["capabilities"])


def attach_volume(server: Server, host: Hypervisor) -> Volume:
    volume = Volume.objects.create(
        id=uuid.uuid4(), project_id=OWN_PROJECT, user_id=OWNER, name="data", size_gib=1,
        hypervisor=host, pool="cloudportal", status="in-use",
        type=VolumeType.objects.get_or_create(name="fast")[0],
    )  # fmt: skip
    Attachment.objects.create(
        volume=volume, server_id=server.pk, by_compute=True, device="/dev/vdb"
    )
    return volume


def test_a_server_on_a_physical_network_goes_where_that_network_is(site):
    Network.objects.update(type=NetworkType.VLAN, physical_network="rack", segment=7)
    there = Hypervisor.objects.get(name="host3")
    PhysicalNetwork.objects.create(hypervisor=there, name="rack", interface="eth1")

    site.plan()

    assert {site.item(server).destination for server in site.servers} == {"host3"}


def test_a_server_whose_networks_are_nowhere_else_stays(site):
    Network.objects.update(type=NetworkType.VXLAN, segment=7)

    site.plan()

    item = site.item(site.servers[0])
    assert item.state == ItemState.BLOCKED
    assert "tunnels removed 2" in item.reason

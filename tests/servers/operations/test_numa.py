"""Servers with NUMA nodes: what their guests are defined for, and what becomes of it later."""

from __future__ import annotations

import dataclasses
import json

import pytest
from django.utils import timezone

from flavors.models import Flavor
from hypervisors.connections import connected
from hypervisors.models import HostState, Hypervisor
from hypervisors.numa import NumaPlacement
from operations.models import OperationState
from scheduling.models import Allocation
from servers.delete import delete_server
from servers.evacuation import Evacuation, evacuate_server
from servers.models import Server
from servers.record_sync import Round, sync_records
from servers.resize import confirm_resize, migrate_server, resize_server, revert_resize
from servers.restore import Found, restore
from servers.shelve import shelve_server, unshelve_server
from servers.states import VmState
from tests.authorisation import actor_named
from tests.hypervisors.fake_host import make_hypervisor
from tests.scheduling.two_cells import CELLS
from tests.servers.operations.conftest import assert_nothing_left
from tests.servers.operations.lost import lose_everything

pytestmark = pytest.mark.django_db(transaction=True)

ADMIN = dataclasses.replace(actor_named("admin"), request_id="req-numa")
PINNED = {"hw:cpu_policy": "dedicated", "hw:numa_nodes": "2", "hw:mem_page_size": "large"}


@pytest.fixture
def flavor(db) -> Flavor:
    return Flavor.objects.create(
        flavorid="1", name="m1.pinned", vcpus=4, ram_mib=256, disk_gib=1, extra_specs=PINNED
    )


def host_with_cells(hosts, name: str) -> Hypervisor:
    host = make_hypervisor(hosts, name, vcpus=16)
    host.capabilities["cells"] = [cell.to_json() for cell in CELLS]
    host.save()
    return host


@pytest.fixture
def server(hosts, create, work) -> Server:
    """A server on the only host there is."""
    host_with_cells(hosts, "host1")
    made = create()
    work(made.pk)
    return Server.objects.select_related("hypervisor").get(pk=made.pk)


def placed(server: Server) -> NumaPlacement:
    """What its guest is defined for, which is what the portal holds for it there."""
    [row] = Allocation.objects.filter(server_id=server.pk, hypervisor=server.hypervisor)
    [held] = row.numa
    return NumaPlacement.from_json(held)


def cpus(server: Server) -> list[tuple[int, ...]]:
    return [node.cpus for node in placed(server).nodes]


def test_a_guest_is_defined_for_the_cells_that_were_claimed(hosts, server, create, work):
    guest = hosts["host1"].guests[server.pk]

    assert server.vm_state == VmState.ACTIVE
    assert cpus(server) == [(0, 8), (4, 12)]
    assert guest.spec.numa == placed(server)
    assert json.loads(guest.spec.metadata.numa) == placed(server).to_json()
    other = create()
    work(other.pk)
    other.refresh_from_db()
    assert cpus(other) == [(1, 9), (5, 13)]


def test_a_deleted_server_gives_its_cells_back(hosts, server, ask):
    ask(delete_server)

    assert_nothing_left(hosts)


def test_without_a_host_of_such_cells_it_fails_and_says_so(hosts, create, work):
    make_hypervisor(hosts, "plain")
    server = create()

    work(server.pk)

    server.refresh_from_db()
    assert server.vm_state == VmState.ERROR
    assert "numa_topology removed 1" in server.faults.get().message


def test_on_another_host_it_has_the_cells_that_are_free_there(hosts, server, create, work, ask):
    host_with_cells(hosts, "host2")
    here = create()
    Server.objects.filter(pk=here.pk).update(request_spec={**server.request_spec, "host": "host2"})
    work(here.pk)

    ended = ask(migrate_server, host="host2")

    assert ended.state == OperationState.DONE, ended.error
    assert (server.vm_state, server.hypervisor.name) == (VmState.RESIZED, "host2")
    assert cpus(server) == [(1, 9), (5, 13)]
    assert hosts["host2"].guests[server.pk].spec.numa == placed(server)
    ask(confirm_resize)
    assert Allocation.objects.filter(server_id=server.pk).count() == 1
    sync_records(timezone.now(), Round())
    kept = hosts["host2"].guests[server.pk].spec.metadata.numa
    assert json.loads(kept) == placed(server).to_json()


def test_back_from_another_size_on_its_own_host_it_has_its_cpus_again(hosts, server, ask):
    Flavor.objects.create(
        flavorid="9", name="m1.six", vcpus=6, ram_mib=512, disk_gib=1, extra_specs=PINNED
    )
    before = cpus(server)

    ended = ask(resize_server, flavor_id="9", disk_config="")

    assert ended.state == OperationState.DONE, ended.error
    assert hosts["host1"].guests[server.pk].spec.numa.nodes[0].cpus == (1, 9, 2)
    ask(revert_resize)
    assert server.vm_state == VmState.ACTIVE
    assert cpus(server) == before
    assert hosts["host1"].guests[server.pk].spec.numa == placed(server)


def test_a_size_without_nodes_leaves_no_claim_on_cells(hosts, server, ask):
    Flavor.objects.create(
        flavorid="9", name="m1.plain", vcpus=1, ram_mib=512, disk_gib=1, extra_specs={}
    )
    ask(resize_server, flavor_id="9", disk_config="")

    ask(confirm_resize)

    assert [each.numa for each in Allocation.objects.all()] == [[]]
    assert hosts["host1"].guests[server.pk].spec.numa is None
    assert hosts["host1"].guests[server.pk].spec.metadata.numa is None


def test_an_evacuated_server_has_cells_of_its_new_host(hosts, server, work):
    host_with_cells(hosts, "host2")
    hosts["host1"].be_down()
    Hypervisor.objects.filter(name="host1").update(state=HostState.DOWN)
    server.refresh_from_db()

    evacuate_server(server=server, wanted=Evacuation(), actor=ADMIN, now=timezone.now())
    work(server.pk)

    server.refresh_from_db()
    assert server.hypervisor.name == "host2"
    assert hosts["host2"].guests[server.pk].spec.numa == placed(server)


def test_a_server_that_is_shelved_holds_no_cells_until_it_is_back(hosts, server, ask, settings):
    settings.SHELVED_OFFLOAD_S = 0
    ask(shelve_server)

    assert not Allocation.objects.exists()
    ask(unshelve_server)
    assert server.vm_state == VmState.ACTIVE
    assert hosts["host1"].guests[server.pk].spec.numa == placed(server)


def test_a_database_that_was_lost_gets_the_claim_back_from_the_guest(owners, hosts, server):
    before = placed(server)
    host = server.hypervisor
    with connected(host) as opened:
        found = Found(host, opened.read_metadata(server.pk), opened.guest_info(server.pk))
    lose_everything()

    restore(found, now=timezone.now())

    assert placed(Server.objects.select_related("hypervisor").get()) == before


def test_what_a_guest_was_defined_for_stays_in_its_record(hosts, server):
    """The portal may lose the claim; the guest's own word is what it is mended by."""
    before = hosts["host1"].guests[server.pk].spec.metadata.numa
    Allocation.objects.update(numa=[])
    Server.objects.filter(pk=server.pk).update(description="new")

    sync_records(timezone.now(), Round())

    kept = hosts["host1"].guests[server.pk].spec.metadata
    assert (kept.description, kept.numa) == ("new", before)

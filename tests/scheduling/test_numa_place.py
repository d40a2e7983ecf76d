"""Cells are claimed with the rest of what a server takes, once however many race for them."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections, transaction
from django.utils import timezone

from hypervisors.models import Hypervisor
from scheduling.cells import placement_for, placement_on
from scheduling.errors import NoValidHost
from scheduling.models import Allocation, Decision
from scheduling.place import hold_server, place_server, release_server
from scheduling.request_spec import RequestSpec
from scheduling.stay import hold_just, stay_on_host
from tests.scheduling.hosts import make_host
from tests.scheduling.two_cells import make_cell_host, pinned, request, spec_of

RACERS = 12


def place(spec, server=None, **fields):
    return place_server(
        server_id=server or uuid.uuid4(),
        spec=spec,
        operation_id=uuid.uuid4(),
        request_id="req-1",
        now=timezone.now(),
        **{"without": [], **fields},
    )


def cpus_of(*allocations: Allocation) -> list[int]:
    return sorted(
        cpu
        for allocation in allocations
        for placement in allocation.numa
        for node in placement["nodes"]
        for cpu in (*node["cpus"], *node["idle"])
    )


@pytest.mark.django_db
def test_a_server_goes_to_the_host_whose_cells_have_room():
    make_host(vcpus=64, ram_mib=65536)
    here = make_cell_host()

    allocation = place(spec_of(pinned(4)))

    assert allocation.hypervisor == here
    assert cpus_of(allocation) == [0, 1, 8, 9]


@pytest.mark.django_db
def test_a_refusal_names_the_filter_what_it_asked_and_why_each_host_does_not_pass():
    host = make_host()

    with pytest.raises(NoValidHost, match="numa_topology removed 1"):
        place(spec_of(pinned(2)))

    [asked] = [each for each in Decision.objects.get().filters if each["name"] == "numa_topology"]
    assert "NUMA cells" in asked["question"]
    assert asked["reasons"] == {host.name: "It tells of no NUMA cells."}


@pytest.mark.django_db
def test_a_host_that_is_full_otherwise_is_removed_by_the_filter_that_says_so():
    make_cell_host(vcpus_used=16)

    with pytest.raises(NoValidHost, match="cpu removed 1"):
        place(spec_of(pinned(2)))


@pytest.mark.django_db
def test_a_forced_host_is_asked_for_its_cells_too():
    plain = make_host()
    make_cell_host()

    with pytest.raises(NoValidHost, match="numa_topology removed 1"):
        place(spec_of(pinned(2), host=plain.name))


@pytest.mark.django_db
def test_what_a_server_held_is_free_for_the_next_one():
    make_cell_host()
    server = uuid.uuid4()
    place(spec_of(pinned(16, nodes=2)), server)
    with pytest.raises(NoValidHost):
        place(spec_of(pinned(1)))

    release_server(server_id=server)

    assert len(cpus_of(place(spec_of(pinned(16, nodes=2))))) == 16


@pytest.mark.django_db
def test_servers_that_ask_for_no_nodes_hold_none():
    make_cell_host()

    assert place(RequestSpec(vcpus=1, ram_mib=64, disk_gib=1)).numa == []


@pytest.mark.django_db
def test_what_a_guest_already_has_is_written_down_as_it_is():
    host, asked = make_cell_host(), pinned(2)
    placed = place(spec_of(asked))
    server = uuid.uuid4()
    was = placement_on(server_id=placed.server_id, hypervisor_id=host.pk, request=asked.to_json())

    for _ in range(2):
        hold_server(
            server_id=server, hypervisor_id=host.pk, spec=spec_of(asked), now=timezone.now(),
            numa=was,
        )  # fmt: skip

    # Both say that they have the same: nobody is moved because the database says otherwise.
    assert cpus_of(Allocation.objects.get(server_id=server)) == cpus_of(placed)


@pytest.mark.django_db
def test_a_guest_that_says_nothing_of_its_cells_is_given_free_ones():
    host = make_cell_host()
    placed, server = place(spec_of(pinned(2))), uuid.uuid4()

    hold_server(
        server_id=server, hypervisor_id=host.pk, spec=spec_of(pinned(2)), now=timezone.now()
    )

    taken = cpus_of(placed, Allocation.objects.get(server_id=server))
    assert len(set(taken)) == len(taken) == 4


class Staying:
    """A server that changes its size on its own host."""

    def __init__(self, old, new):
        self.host, self.server, self.old, self.new = make_cell_host(), uuid.uuid4(), old, new
        place(old, self.server)
        with transaction.atomic():
            stay_on_host(
                server_id=self.server, hypervisor=self.host, spec=new,
                operation_id=uuid.uuid4(), request_id="", now=timezone.now(),
            )  # fmt: skip

    @property
    def row(self) -> Allocation:
        return Allocation.objects.get(server_id=self.server)

    def hold(self, spec):
        for _ in range(2):
            hold_just(
                server_id=self.server, hypervisor_id=self.host.pk, spec=spec, now=timezone.now()
            )


@pytest.mark.django_db
def test_meanwhile_it_holds_the_cells_of_both_sizes_and_then_of_one():
    staying = Staying(spec_of(pinned(2)), spec_of(pinned(4)))
    old, new = staying.row.numa

    assert placement_for(staying.row, staying.old) == old
    assert placement_for(staying.row, staying.new) == new
    assert len(set(cpus_of(staying.row))) == 6
    staying.hold(staying.new)
    assert staying.row.numa == [new]


@pytest.mark.django_db
def test_on_its_way_back_it_has_its_old_cpus():
    staying = Staying(spec_of(pinned(2)), spec_of(pinned(4)))
    old = staying.row.numa[0]

    staying.hold(staying.old)

    assert staying.row.numa == [old]


@pytest.mark.django_db
def test_nodes_that_stay_as_they_were_stay_where_they_are():
    asked = pinned(16, nodes=2)
    staying = Staying(spec_of(asked), spec_of(asked, disk_gib=5))

    assert len(staying.row.numa) == 1


@pytest.mark.django_db
def test_a_size_without_nodes_gives_the_cells_back():
    staying = Staying(spec_of(pinned(2)), RequestSpec(vcpus=1, ram_mib=64, disk_gib=1))

    staying.hold(staying.new)

    assert staying.row.numa == []


@pytest.mark.django_db
def test_a_host_whose_cells_do_not_take_both_sizes_is_not_grown_on():
    with pytest.raises(NoValidHost):
        Staying(spec_of(pinned(12, nodes=2)), spec_of(pinned(6)))


@pytest.mark.django_db(transaction=True)
def test_servers_that_race_for_the_last_cpus_never_share_one():
    """Ten of them fit by their counts alone: only the cells' 16 CPUs tell."""
    make_cell_host(vcpus=64, cpu_ratio=4.0, ram_mib=65536)
    make_cell_host(vcpus=64, cpu_ratio=4.0, ram_mib=65536)
    together = threading.Barrier(RACERS)

    def one(number):
        try:
            together.wait(timeout=60)
            place(spec_of(pinned(5, ram_mib=64)))
        except NoValidHost:
            return 1
        finally:
            connections.close_all()
        return 0

    with ThreadPoolExecutor(RACERS) as pool:
        refused = sum(pool.map(one, range(RACERS)))

    # A node of five in each of the four cells, for none has ten.
    assert RACERS - refused == 4
    for host in Hypervisor.objects.all():
        cpus = cpus_of(*Allocation.objects.filter(hypervisor=host))
        assert len(cpus) == len(set(cpus)) == 10
        assert host.vcpus_used == 10


@pytest.mark.django_db
def test_shared_nodes_are_counted_against_the_hosts_ratio():
    make_cell_host(cpu_ratio=1.0)
    place(spec_of(request(8)))
    place(spec_of(request(8)))

    with pytest.raises(NoValidHost):
        place(spec_of(request(1)))

"""Claims: never more than a host has, whoever races; and the reasons are kept."""

import threading
import uuid

import pytest
from django.db import connection
from django.utils import timezone

from hypervisors.models import Hypervisor
from scheduling.errors import NoValidHost
from scheduling.models import Allocation, Decision
from scheduling.place import place_server, release_server
from scheduling.request_spec import RequestSpec
from tests.scheduling.hosts import make_host

SPEC = RequestSpec(vcpus=1, ram_mib=512, disk_gib=1)


def place(server=None, spec=SPEC, without=()):
    return place_server(
        server_id=server or uuid.uuid4(),
        spec=spec,
        without=list(without),
        operation_id=uuid.uuid4(),
        request_id="req-1",
        now=timezone.now(),
    )


def used(host) -> tuple[int, int, int]:
    host.refresh_from_db()
    return host.vcpus_used, host.ram_mib_used, host.disk_gib_used


@pytest.mark.django_db
def test_a_placed_server_holds_its_claim_until_it_is_released():
    host = make_host()
    server = uuid.uuid4()

    allocation = place(server)

    assert allocation.hypervisor == host
    assert used(host) == (1, 512, 1)
    release_server(server_id=server)
    release_server(server_id=server)
    assert used(host) == (0, 0, 0)
    assert not Allocation.objects.exists()


@pytest.mark.django_db
def test_a_claim_on_a_host_that_is_left_out_stays_and_is_not_taken_for_the_new_one():
    first, second = make_host(), make_host()
    server = uuid.uuid4()
    owing = place(server).hypervisor
    other = second if owing == first else first

    allocation = place(server, without=[owing.name])

    assert allocation.hypervisor == other
    assert used(owing) == (1, 512, 1)
    release_server(server_id=server, but_on=[owing.name])
    assert used(other) == (0, 0, 0)
    assert used(owing) == (1, 512, 1)


@pytest.mark.django_db
def test_placing_again_changes_nothing():
    host = make_host()
    server = uuid.uuid4()

    assert place(server).pk == place(server).pk

    assert used(host) == (1, 512, 1)
    assert Decision.objects.count() == 1


@pytest.mark.django_db
def test_a_decision_is_kept_with_its_alternates():
    best = make_host(ram_mib=32768)
    others = [make_host(), make_host(), make_host()]

    place()

    decision = Decision.objects.get()
    assert decision.chosen == best.name
    assert decision.alternates == [host.name for host in others[:2]]
    assert decision.candidates == 4
    assert decision.weights[0]["host"] == best.name


@pytest.mark.django_db
def test_a_refusal_is_kept_too():
    make_host(vcpus=0)

    with pytest.raises(NoValidHost, match="cpu removed 1"):
        place()

    decision = Decision.objects.get()
    assert decision.chosen == ""
    assert "cpu removed 1" in decision.summary


@pytest.mark.django_db
def test_releasing_on_one_host_leaves_the_other_claim():
    here, there = make_host(), make_host()
    server = uuid.uuid4()
    first = place(server)
    other = there if first.hypervisor == here else here
    Allocation.objects.create(server_id=server, hypervisor=other, vcpus=1, ram_mib=1, disk_gib=1)

    release_server(server_id=server, hypervisor_id=first.hypervisor_id)

    assert list(Allocation.objects.values_list("hypervisor", flat=True)) == [other.pk]


@pytest.mark.django_db(transaction=True)
def test_racing_servers_never_claim_more_than_the_hosts_have():
    hosts = [make_host(vcpus=3), make_host(vcpus=4)]
    placed, refused = [], []

    def one():
        try:
            placed.append(place())
        except NoValidHost:
            refused.append(1)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)

    assert (len(placed), len(refused)) == (7, 5)
    assert sorted(used(host)[0] for host in hosts) == [3, 4]
    assert sum(Hypervisor.objects.values_list("vcpus_used", flat=True)) == 7

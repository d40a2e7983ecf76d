import threading
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from hypervisors.capacity import claim, free_build_slot, pause_s, take_build_slot, unclaim
from hypervisors.models import BuildSlot, Hypervisor
from operations.models import Operation, OperationState
from tests.hypervisors.fake_host import make_hypervisor


def _operation(state=OperationState.RUNNING):
    return Operation.objects.create(kind="server.build", subject=uuid4(), state=state).pk


def _take(hypervisor, operation_id):
    return take_build_slot(
        hypervisor_id=hypervisor.pk, operation_id=operation_id, now=timezone.now()
    )


def _in_threads(count, work):
    """Run `work` so many times at once; its answers."""
    answers, gate = [], threading.Barrier(count)

    def run():
        try:
            gate.wait()
            answers.append(work())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_claim_applies_ratio_and_reserve(hosts, db):
    host = make_hypervisor(hosts, cpu_ratio=2.0, reserved_vcpus=1)

    taken = [claim(host.pk, vcpus=5, ram_mib=1, disk_gib=0) for _ in range(4)]

    assert taken == [True, True, True, False]
    host.refresh_from_db()
    assert (host.vcpus_used, host.ram_mib_used) == (15, 3)


@pytest.mark.parametrize("short", ["vcpus", "ram_mib", "disk_gib"])
def test_claim_beyond_one_resource_takes_nothing(hypervisor, short):
    wanted = {"vcpus": 1, "ram_mib": 1, "disk_gib": 1, short: 1_000_000}

    assert not claim(hypervisor.pk, **wanted)

    hypervisor.refresh_from_db()
    assert (hypervisor.vcpus_used, hypervisor.ram_mib_used, hypervisor.disk_gib_used) == (0, 0, 0)


def test_unclaim_never_goes_below_zero(hypervisor):
    claim(hypervisor.pk, vcpus=2, ram_mib=512, disk_gib=1)

    unclaim(hypervisor.pk, vcpus=3, ram_mib=100, disk_gib=1)

    hypervisor.refresh_from_db()
    assert (hypervisor.vcpus_used, hypervisor.ram_mib_used, hypervisor.disk_gib_used) == (0, 412, 0)


@pytest.mark.django_db(transaction=True)
def test_racing_claims_never_overshoot(hosts):
    host = make_hypervisor(hosts, cpu_ratio=1.0)

    answers = _in_threads(12, lambda: claim(host.pk, vcpus=2, ram_mib=1, disk_gib=0))

    assert answers.count(True) == 4
    assert Hypervisor.objects.get().vcpus_used == 8


@pytest.mark.django_db(transaction=True)
def test_racing_builds_never_take_more_slots_than_allowed(hosts):
    host = make_hypervisor(hosts, max_concurrent_builds=2)
    operations = [_operation() for _ in range(8)]

    answers = _in_threads(8, lambda: _take(host, operations.pop()))

    assert answers.count(True) == 2


def test_slot_is_the_same_when_asked_again_and_free_afterwards(hosts, db):
    host = make_hypervisor(hosts, max_concurrent_builds=1)
    first, second = _operation(), _operation()

    assert _take(host, first)
    assert _take(host, first)
    assert not _take(host, second)

    free_build_slot(operation_id=first)
    free_build_slot(operation_id=first)
    assert _take(host, second)


def test_slot_moves_with_its_operation_to_another_host(hosts, db):
    one, other = make_hypervisor(hosts), make_hypervisor(hosts, "host2")
    operation = _operation()

    assert _take(one, operation)
    assert _take(other, operation)

    assert BuildSlot.objects.get().hypervisor == other


def test_slot_of_an_operation_that_ended_is_given_to_another(hosts, db):
    host = make_hypervisor(hosts, max_concurrent_builds=1)
    ended = _operation()
    _take(host, ended)
    Operation.objects.filter(pk=ended).update(state=OperationState.FAILED)

    assert _take(host, _operation())


def test_who_waits_for_a_slot_takes_no_lock(hosts, db, django_assert_num_queries):
    host = make_hypervisor(hosts, max_concurrent_builds=1)
    _take(host, _operation())
    waiting = uuid4()

    with django_assert_num_queries(2) as asked:
        assert not _take(host, waiting)

    assert all(each["sql"].startswith("SELECT") for each in asked.captured_queries)
    assert not BuildSlot.objects.filter(operation=waiting).exists()


def test_the_more_wait_the_longer_each_does():
    pauses = [pause_s(waiting=waiting, places=4) for waiting in (0, 1, 4, 8, 40)]

    assert pauses == pytest.approx([0.3, 0.3, 0.3, 0.6, 3.0])

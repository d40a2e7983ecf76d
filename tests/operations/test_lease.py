"""The heartbeat keeps a long step's lease, and notices what it should."""

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.utils import timezone

from operations import jobs, lease
from operations.errors import LeaseLost
from operations.kinds import Kind, Step, register
from operations.models import Operation, OperationState
from tests.operations.world import start

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def operation():
    kind = register(Kind(f"test.{uuid.uuid4().hex}", [Step("only", lambda context: None)]))
    return start(kind)


@pytest.fixture(autouse=True)
def _quick_heart(monkeypatch):
    monkeypatch.setattr(lease, "HEARTBEAT_S", 0.02)


def beats(operation, until) -> threading.Event:
    """Beat until the condition holds; whether to make way."""
    make_way = threading.Event()
    deadline = timezone.now() + timedelta(seconds=30)
    with lease.heartbeat(operation.pk, "me", make_way):
        while not until(make_way):
            assert timezone.now() < deadline, "the heart does not beat"
    return make_way


def test_the_lease_is_extended_while_the_work_goes_on(operation):
    assert lease.acquire(operation.pk, "me")
    soon = timezone.now() + timedelta(seconds=1)
    Operation.objects.filter(pk=operation.pk).update(lease_until=soon)

    make_way = beats(
        operation,
        lambda event: Operation.objects.filter(pk=operation.pk, lease_until__gt=soon).exists(),
    )

    assert not make_way.is_set()


def test_a_lease_that_another_took_over_ends_the_heartbeat(operation):
    lease.acquire(operation.pk, "other")

    assert beats(operation, lambda event: event.is_set()).is_set()


def test_a_successor_is_noticed(operation):
    lease.acquire(operation.pk, "me")
    Operation.objects.filter(pk=operation.pk).update(successor={"kind": "x"})

    assert beats(operation, lambda event: event.is_set()).is_set()


def test_a_database_that_is_away_for_a_beat_does_no_harm(operation, monkeypatch):
    lease.acquire(operation.pk, "me")
    asked = []

    def extend(*arguments):
        asked.append(arguments)
        raise DatabaseError("away")

    monkeypatch.setattr(lease, "_extend", extend)

    make_way = beats(operation, lambda event: len(asked) > 1)

    assert not make_way.is_set()


def test_a_lease_is_taken_once_and_written_by_its_owner_only(operation):
    assert lease.acquire(operation.pk, "me")
    assert not lease.acquire(operation.pk, "other")

    with pytest.raises(LeaseLost):
        lease.write(operation.pk, "other", cursor=5)

    lease.release(operation.pk, "other", cursor=7)
    assert Operation.objects.get(pk=operation.pk).cursor == 0


def test_a_job_is_a_wake_up(operation):
    jobs.run(str(operation.pk), "default")

    assert Operation.objects.get(pk=operation.pk).state == OperationState.DONE

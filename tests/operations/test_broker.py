"""The queue: jobs appear with their transaction, go to one worker, and outlive an outage."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from django_q.models import OrmQ

from operations import broker as broker_module
from operations.broker import WakingBroker

pytestmark = pytest.mark.django_db(transaction=True)

QUEUE = "queue-of-the-test"


@pytest.fixture
def make_broker():
    made = []

    def make():
        made.append(WakingBroker(QUEUE))
        return made[-1]

    yield make
    for broker in made:
        if broker._line is not None:
            broker._line.close()


@pytest.fixture
def broker(make_broker):
    return make_broker()


def in_threads(count, work):
    def closing():
        try:
            work()
        finally:
            connection.close()

    threads = [threading.Thread(target=closing) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)


def test_jobs_come_out_in_the_order_of_their_arrival(broker):
    for job in "abc":
        broker.enqueue(job)

    found = [broker.dequeue()[0][1] for _ in range(3)]

    assert found == ["a", "b", "c"]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no such plans")
def test_one_job_at_a_time_is_taken_however_the_database_looks_for_it(broker):
    for job in "abc":
        broker.enqueue(job)
    broker.dequeue()
    # By these it would ask for what is due once for each row of the queue.
    with broker._line.cursor() as cursor:
        for way in ("hashjoin", "hashagg", "mergejoin", "material", "sort"):
            cursor.execute(f"SET enable_{way} = off")

    assert len(broker.dequeue()) == 1


def test_a_job_that_was_handed_out_is_not_handed_out_again_before_its_time(broker, monkeypatch):
    monkeypatch.setattr(broker_module, "LOOK_EVERY_S", 0.01)
    broker.enqueue("job")

    first = broker.dequeue()

    assert len(first) == 1
    assert broker.dequeue() == []
    OrmQ.objects.update(lock=timezone.now() - timedelta(seconds=1))
    assert broker.dequeue() == first


def test_an_acknowledged_job_is_gone(broker):
    broker.enqueue("job")
    [(job, _)] = broker.dequeue()

    broker.acknowledge(job)

    assert not OrmQ.objects.exists()


def test_another_queues_job_is_left_alone(broker, monkeypatch):
    monkeypatch.setattr(broker_module, "LOOK_EVERY_S", 0.01)
    WakingBroker("another").enqueue("job")

    assert broker.dequeue() == []


def test_a_job_of_a_transaction_that_failed_never_was(broker, monkeypatch):
    monkeypatch.setattr(broker_module, "LOOK_EVERY_S", 0.01)

    with transaction.atomic():
        broker.enqueue("job")
        transaction.set_rollback(True)

    assert broker.dequeue() == []


def test_a_worker_that_waits_is_woken_at_the_commit(broker, monkeypatch):
    # So long that only a wake-up can be what ends the waiting.
    monkeypatch.setattr(broker_module, "LOOK_EVERY_S", 30)
    taken = []

    def work():
        while not taken:
            taken.extend(broker.dequeue())
            at.append(time.monotonic())
        if broker._line is not None:
            broker._line.close()
            broker._line = None

    at = []
    waiting = threading.Thread(target=in_threads, args=(1, work))
    waiting.start()
    time.sleep(0.3)
    with transaction.atomic():
        WakingBroker(QUEUE).enqueue("job")
        time.sleep(0.3)
        assert not taken
    committed = time.monotonic()
    waiting.join(20)

    assert [job for _, job in taken] == ["job"]
    assert at[-1] - committed < 1


def test_many_workers_never_get_the_same_job(make_broker, monkeypatch):
    monkeypatch.setattr(broker_module, "LOOK_EVERY_S", 0.01)
    jobs = [f"job-{number}" for number in range(60)]
    for job in jobs:
        WakingBroker(QUEUE).enqueue(job)
    taken = []

    def work():
        mine = make_broker()
        deadline = time.monotonic() + 20
        while len(taken) < len(jobs) and time.monotonic() < deadline:
            taken.extend(job for _, job in mine.dequeue())
        if mine._line is not None:
            mine._line.close()
            mine._line = None

    in_threads(4, work)

    assert sorted(taken) == sorted(jobs)


def test_a_database_that_is_away_is_waited_for(broker, monkeypatch, caplog):
    monkeypatch.setattr(broker_module, "AWAY_PAUSE_S", 0.01)
    monkeypatch.setattr(broker_module, "LOOK_EVERY_S", 0.01)
    broker.enqueue("job")
    whole = WakingBroker._take_or_wait

    def away(self):
        raise OperationalError("the database system is shutting down")

    monkeypatch.setattr(WakingBroker, "_take_or_wait", away)
    assert [broker.dequeue() for _ in range(3)] == [[], [], []]
    monkeypatch.setattr(WakingBroker, "_take_or_wait", whole)

    assert [job for _, job in broker.dequeue()] == ["job"]
    # Once an outage, not twice a second.
    assert caplog.text.count("does not answer") == 1


def test_a_job_done_while_the_database_was_away_is_forgotten_later(broker, monkeypatch):
    for job in "ab":
        broker.enqueue(job)
    [(first, _)], [(second, _)] = broker.dequeue(), broker.dequeue()
    whole = WakingBroker.get_connection

    def away(list_key=None):
        raise OperationalError("the connection is closed")

    monkeypatch.setattr(WakingBroker, "get_connection", staticmethod(away))
    broker.acknowledge(first)
    monkeypatch.setattr(WakingBroker, "get_connection", staticmethod(whole))
    broker.acknowledge(second)

    assert not OrmQ.objects.exists()


def test_making_a_broker_asks_nothing_of_the_database(django_assert_num_queries):
    with django_assert_num_queries(0):
        WakingBroker(QUEUE)

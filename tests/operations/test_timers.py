"""Periodic work: one keeper of several does each turn, and a failure costs one turn."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.utils import timezone

from operations.management.commands import keeper
from operations.timers import Task, register_timer, reside, run_turn, take_turn, tasks

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def task(name="t", do=lambda now: None) -> Task:
    return Task(name, 10.0, do)


def test_a_turn_is_taken_once():
    assert take_turn(task(), now=NOW)
    assert not take_turn(task(), now=NOW + timedelta(seconds=9))
    assert take_turn(task(), now=NOW + timedelta(seconds=10))
    assert not take_turn(task(), now=NOW + timedelta(seconds=10))


def test_tasks_have_turns_of_their_own():
    assert take_turn(task("a"), now=NOW)
    assert take_turn(task("b"), now=NOW)


def test_a_task_is_given_the_time_of_its_turn():
    seen = []

    run_turn(task(do=seen.append), now=NOW)

    assert seen == [NOW]


def test_a_task_that_fails_is_logged_and_ends_there(caplog):
    def fail(now):
        raise RuntimeError("odd")

    run_turn(task(do=fail), now=NOW)

    assert "The periodic task t failed." in caplog.text


def test_registering_twice_keeps_the_last(monkeypatch):
    monkeypatch.setattr("operations.timers._tasks", {})
    register_timer("a", 1.0, lambda now: 1)
    register_timer("a", 2.0, lambda now: 2)

    assert [each.every_s for each in tasks()] == [2.0]


def test_a_resident_runs_until_told_to_stop_and_begins_anew_when_it_fails(monkeypatch, caplog):
    monkeypatch.setattr("operations.timers.RESIDENT_PAUSE_S", 0)
    stop, runs = threading.Event(), []

    def run(stop):
        runs.append(stop)
        if len(runs) == 3:
            stop.set()
            return
        raise RuntimeError("odd")

    reside("hosts", run, stop)

    assert runs == [stop] * 3
    assert "What the keeper does as hosts failed" in caplog.text


@pytest.mark.django_db(transaction=True)
class TestKeeper:
    """What the keeper's loop starts."""

    @pytest.fixture
    def done(self, monkeypatch):
        done = []
        monkeypatch.setattr("operations.timers._tasks", {})
        register_timer("a", 0.01, done.append)
        return done

    def test_it_starts_what_is_due_and_lets_it_end(self, done):
        running: dict[str, Future[None]] = {}
        with ThreadPoolExecutor(1) as pool:
            keeper._start_due(pool, running, {})

        running["a"].result(timeout=30)
        assert len(done) == 1

    def test_a_turn_that_still_runs_is_not_doubled(self, done):
        with ThreadPoolExecutor(1) as pool:
            keeper._start_due(pool, {"a": Future()}, {})

        assert done == []

    def test_the_database_is_not_asked_again_at_once(self, done):
        with ThreadPoolExecutor(1) as pool:
            keeper._start_due(pool, {}, {"a": time.monotonic() + 60})

        assert done == []

"""Lanes: a slow operation does not keep its worker from the next job."""

from __future__ import annotations

import threading

import pytest

from operations import lanes as lanes_room
from operations.lanes import Lanes

PATIENCE_S = 0.01


@pytest.fixture
def gate():
    opened = threading.Event()
    yield opened
    opened.set()


def break_off() -> None:
    raise ZeroDivisionError


def test_quick_work_is_over_when_run_returns():
    done: list[int] = []

    Lanes(1, patience_s=30).run(lambda: done.append(1))

    assert done == [1]


def test_slow_work_is_left_to_itself(gate):
    finished = threading.Event()
    lanes = Lanes(2, PATIENCE_S)

    def work() -> None:
        gate.wait()
        finished.set()

    lanes.run(work)

    assert not finished.is_set()
    gate.set()
    assert finished.wait(30)


def test_with_all_lanes_taken_the_job_waits_for_a_free_one(gate):
    lanes = Lanes(2, PATIENCE_S)
    lanes.run(gate.wait)
    second = threading.Thread(target=lanes.run, args=[gate.wait])

    second.start()
    second.join(PATIENCE_S * 20)

    assert second.is_alive()
    gate.set()
    second.join(30)
    assert not second.is_alive()


def test_an_error_reaches_the_job_that_still_waits():
    with pytest.raises(ZeroDivisionError):
        Lanes(1, patience_s=30).run(break_off)


def test_an_error_of_work_that_was_left_is_logged(gate, monkeypatch):
    logged = threading.Event()
    monkeypatch.setattr(lanes_room.logger, "error", lambda *words, **more: logged.set())
    lanes = Lanes(2, PATIENCE_S)

    def work() -> None:
        gate.wait()
        break_off()

    lanes.run(work)
    gate.set()

    assert logged.wait(30)


def test_what_is_under_way_hears_of_the_end():
    lanes = Lanes(1)

    lanes.stop()

    assert lanes.stopping.is_set()

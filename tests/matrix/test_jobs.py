"""Jobs are wake-ups: doubled, in parallel, late, lost or cut off, they change nothing."""

from __future__ import annotations

import os
from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest
from django.db.models import F
from django.utils import timezone
from django_q.exceptions import TimeoutException
from django_q.models import OrmQ

from operations import engine
from operations.models import UNFINISHED, Operation, StepRecord
from operations.sweep import PAUSE_LIMIT_S, sweep
from tests.matrix import troubles
from tests.matrix.cases import CASES, PLAIN_CASES, Case
from tests.matrix.processes import ended, fork
from tests.matrix.troubles import altered, at
from tests.matrix.world import PATIENCE, World

pytestmark = pytest.mark.django_db(transaction=True)

TIMES = 5
EVERY_CASE = pytest.mark.parametrize("case", CASES, ids=str)
STEPS = [
    pytest.param(case, step, id=f"{case}, {step}") for case in PLAIN_CASES for step in case.steps
]


def deliver(operation: Operation) -> None:
    """A job for the operation comes to a worker of the queue where it is waited for."""
    queue = Operation.objects.values_list("queue", flat=True).get(pk=operation.pk)
    engine.run(operation.pk, queue=queue)


def is_unfinished(operation: Operation) -> bool:
    return Operation.objects.filter(pk=operation.pk, state__in=UNFINISHED).exists()


def assert_each_step_ran_once(operation: Operation) -> None:
    """In each round of it."""
    records = StepRecord.objects.filter(operation=operation, result="Success")
    runs = Counter(records.values_list("step", "direction"))
    rounds = len(Operation.objects.get(pk=operation.pk).rounds) + 1
    assert runs
    assert max(runs.values()) <= rounds


def fresh(operation: Operation) -> Operation:
    return Operation.objects.get(pk=operation.pk)


@pytest.mark.once
@EVERY_CASE
def test_five_jobs_in_a_row_do_the_work_of_one(world: World, case: Case):
    operation = case.begin(world)

    for _ in range(PATIENCE):
        if not is_unfinished(operation):
            break
        for _ in range(TIMES):
            deliver(operation)
        # The pause between two tries, if there is one.
        Operation.objects.filter(pk=operation.pk).update(wake_at=timezone.now())

    assert_each_step_ran_once(operation)
    world.settle()
    case.ended_well(world, fresh(operation))


@pytest.mark.parametrize("case", [each for each in CASES if each.is_alone], ids=str)
def test_five_jobs_in_parallel_do_the_work_of_one(world: World, case: Case):
    operation = case.begin(world)
    starting_gun, trigger = os.pipe()

    def work() -> None:
        os.close(trigger)
        os.read(starting_gun, 1)
        deadline = timezone.now() + timedelta(seconds=60)
        while is_unfinished(operation) and timezone.now() < deadline:
            deliver(operation)

    children = [fork(work) for _ in range(TIMES)]
    os.close(trigger)
    statuses = [ended(child) for child in children]
    os.close(starting_gun)

    assert statuses == [0] * TIMES
    assert not is_unfinished(operation)
    assert_each_step_ran_once(operation)
    world.settle()
    case.ended_well(world, fresh(operation))


@pytest.mark.once
@EVERY_CASE
def test_a_job_that_comes_an_hour_late_changes_nothing(world: World, case: Case):
    operation = world.work(case.begin(world))
    world.settle()
    hour = timedelta(hours=1)
    Operation.objects.update(
        **{
            name: F(name) - hour
            for name in ("created_at", "updated_at", "finished_at", "wake_at", "deadline_at")
        }
    )
    before, row = world.snapshot(), Operation.objects.filter(pk=operation.pk).values().get()

    for _ in range(TIMES):
        deliver(operation)

    assert world.snapshot() == before
    assert Operation.objects.filter(pk=operation.pk).values().get() == row
    case.ended_well(world, fresh(operation))


@pytest.mark.once
@EVERY_CASE
def test_lost_jobs_are_swept_up(world: World, case: Case):
    operation = case.begin(world)
    now = timezone.now()

    for _ in range(PATIENCE):
        if not is_unfinished(operation):
            break
        OrmQ.objects.all().delete()
        now += timedelta(seconds=PAUSE_LIMIT_S + 1)
        assert sweep(now=now)
        for job in OrmQ.objects.all():
            identifier, queue = job.task["args"]
            engine.run(UUID(identifier), queue=queue)

    assert_each_step_ran_once(operation)
    world.settle()
    case.ended_well(world, fresh(operation))


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("case", "step"), STEPS)
@pytest.mark.once
def test_a_job_that_takes_too_long_is_taken_over(
    world: World, case: Case, step: str, is_after: bool
):
    def out_of_time(context):
        raise TimeoutException

    operation = case.begin(world)

    with altered(case.kind, at(step, troubles.meeting(out_of_time, is_after=is_after))):
        with pytest.raises(TimeoutException):
            world.work(operation)
        assert fresh(operation).lease_owner
        ended_at_last = world.work(operation)

    world.settle()
    case.ended_well(world, ended_at_last)

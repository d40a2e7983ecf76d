"""What an operation's time was spent on, from the records of its steps."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from cloudportal.errors import Conflict, Unavailable
from operations.errors import Wait
from operations.kinds import TRANSFER_QUEUE, Kind, register
from operations.models import Operation, StepRecord
from operations.timeline import spans
from tests.operations.world import run, start

pytestmark = pytest.mark.django_db


def told(operation):
    """The spans in short, after a look that none begins before the one before it ends."""
    operation = Operation.objects.get(pk=operation.pk)
    found = list(spans(operation, operation.records.all()))
    at = operation.created_at
    for span in found:
        assert span.started_at >= at
        at = span.finished_at or span.started_at
        assert at >= span.started_at
    return [(span.kind.value, span.step) for span in found]


def test_steps_follow_the_time_in_the_queue(world, kind):
    operation = run(start(kind))

    assert told(operation) == [("queue", ""), ("step", "a"), ("step", "b"), ("step", "c")]


def test_what_nobody_has_begun_waits_in_the_queue(kind):
    assert told(start(kind)) == [("queue", "")]


def test_a_pause_and_another_try(world, kind):
    world.trouble("do b", Unavailable("away"))
    operation = run(start(kind))

    assert told(operation)[-2:] == [("step", "b"), ("pause", "b")]
    run(operation)

    assert told(operation)[2:] == [
        *(("step", "b"), ("pause", "b"), ("queue", ""), ("step", "b"), ("step", "c")),
    ]


def test_a_step_that_waits_does_so_until_it_is_woken(world, kind):
    world.trouble("do b", Wait("not yet"), Wait("not yet"))
    operation = run(run(start(kind)))

    assert told(operation)[2:] == [("wait", "b"), ("wait", "b")]
    run(operation)

    assert told(operation)[2:] == [
        *(("wait", "b"), ("wait", "b"), ("queue", ""), ("step", "b"), ("step", "c")),
    ]


def test_what_is_undone(world, kind):
    world.trouble("do b", Conflict("no"))

    operation = run(start(kind))

    assert told(operation)[1:] == [("step", "a"), ("step", "b"), ("undo", "b"), ("undo", "a")]


def test_the_time_until_a_dead_worker_is_replaced(world, kind):
    past = timezone.now() - timedelta(seconds=20)
    operation = start(kind, created_at=past)
    StepRecord.objects.create(operation=operation, step="a", direction="do", started_at=past)

    assert told(operation) == [("step", "a")]
    run(operation)

    assert told(operation) == [
        *(("interrupted", "a"), ("step", "a"), ("step", "b"), ("step", "c")),
    ]


def test_another_queue_is_a_time_in_the_queue(world):
    steps = [world.step("a"), world.step("b", queue=lambda context: TRANSFER_QUEUE)]
    kind = register(Kind(f"test.{uuid.uuid4().hex}", steps))
    operation = run(start(kind))

    run(operation, queue=TRANSFER_QUEUE)

    assert told(operation) == [("queue", ""), ("step", "a"), ("queue", ""), ("step", "b")]

"""The engine, with a world that is a list: what was done, undone, and left."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from django_q.models import OrmQ

from cloudportal.errors import Conflict, Unavailable
from operations import engine, lease
from operations.enqueue import AlreadyAtWork, supersede
from operations.errors import Superseded, Wait
from operations.kinds import TRANSFER_QUEUE, Kind, Step, register
from operations.models import Operation, OperationState, StepRecord
from tests.operations.world import run, start

pytestmark = pytest.mark.django_db


def test_steps_run_in_order_and_their_outputs_are_kept(world, kind):
    operation = start(kind)

    run(operation)

    assert operation.state == OperationState.DONE
    assert world.log == ["do a", "do b", "do c"]
    assert operation.outputs["b"] == {"made": "b"}
    assert operation.lease_owner == ""
    assert operation.finished_at is not None
    records = StepRecord.objects.filter(operation=operation)
    assert [(r.step, r.direction, r.result) for r in records] == [
        ("a", "do", "Success"),
        ("b", "do", "Success"),
        ("c", "do", "Success"),
    ]


@pytest.mark.parametrize("failing", ["a", "b", "c"])
def test_a_failure_at_any_step_leaves_nothing(world, kind, failing):
    world.trouble(f"do {failing}", Conflict("no"))
    operation = start(kind)

    run(operation)

    assert operation.state == OperationState.FAILED
    assert world.things == []
    assert operation.error["step"] == failing
    assert operation.error["message"] == "no"


def test_undo_goes_newest_first_and_includes_the_failed_step(world, kind):
    world.trouble("do b", Conflict("no"))

    run(start(kind))

    assert world.log == ["do a", "do b", "undo b", "undo a"]


def test_a_foreign_exception_shows_tenants_its_class_only(world, kind):
    world.trouble("do a", ValueError("secret path"))
    operation = start(kind)

    run(operation)

    assert operation.error["message"] == "ValueError"
    assert operation.error["detail"] == "secret path"


def test_a_retryable_failure_is_tried_again_after_a_pause(world, kind):
    world.trouble("do b", Unavailable("busy"), Unavailable("busy"))
    operation = start(kind)

    run(operation)

    assert operation.state == OperationState.RUNNING
    assert operation.attempt == 1
    assert operation.wake_at > timezone.now()
    assert operation.lease_owner == ""
    run(operation)
    run(operation)
    assert operation.state == OperationState.DONE
    assert world.log == ["do a", "do b", "do b", "do b", "do c"]


def test_retries_end_and_then_the_work_is_undone(world):
    kind = register(Kind(f"test.{uuid.uuid4().hex}", [world.step("a")], retries=1))
    world.trouble("do a", Unavailable("1"), Unavailable("2"))
    operation = start(kind)

    run(operation)
    run(operation)

    assert operation.state == OperationState.FAILED
    assert world.things == []


def test_waiting_counts_as_no_try_and_is_one_record_however_long_it_takes(world, kind):
    world.trouble("do b", *(Wait(f"not yet {n}", seconds=60) for n in range(3)))
    operation = start(kind)

    for _ in range(3):
        run(operation)
        assert operation.attempt == 0
        assert operation.cursor == 1
        assert operation.wake_at > timezone.now() + timedelta(seconds=50)

    waits = StepRecord.objects.filter(operation=operation, step="b")
    assert [(wait.result, wait.message) for wait in waits] == [("Wait", "not yet 2")]
    run(operation)
    assert operation.state == OperationState.DONE


def test_a_wake_up_before_the_pause_ends_does_nothing(world, kind):
    world.trouble("do a", Wait("not yet", seconds=60))
    operation = run(start(kind))

    engine.run(operation.pk)

    assert world.log == ["do a"]


@pytest.mark.parametrize("cursor", [0, 1, 2, 3])
def test_a_worker_that_died_anywhere_is_taken_over(world, kind, cursor):
    past = timezone.now() - timedelta(seconds=1)
    operation = start(
        kind,
        state=OperationState.RUNNING,
        cursor=cursor,
        lease_owner="dead",
        lease_until=past,
    )

    run(operation)

    assert operation.state == OperationState.DONE
    assert world.log == [f"do {name}" for name in "abc"[cursor:]]


def test_a_worker_that_died_while_undoing_is_taken_over(world, kind):
    world.things = ["a", "b"]
    past = timezone.now() - timedelta(seconds=1)
    operation = start(
        kind,
        state=OperationState.UNDOING,
        cursor=1,
        error={"step": "b"},
        lease_owner="dead",
        lease_until=past,
    )

    run(operation)

    assert operation.state == OperationState.FAILED
    assert world.log == ["undo b", "undo a"]
    assert world.things == []


class Killed(SystemExit):
    """As a kill or django-q2's time-out: passes every `except Exception`."""


@pytest.mark.parametrize("call", ["do a", "do b", "do c"])
def test_death_inside_a_step_costs_one_repetition(world, kind, call):
    world.trouble(call, Killed())
    operation = start(kind)

    with pytest.raises(Killed):
        run(operation)

    operation.refresh_from_db()
    assert operation.lease_owner
    Operation.objects.filter(pk=operation.pk).update(lease_until=timezone.now())
    run(operation)
    assert operation.state == OperationState.DONE
    assert world.log.count(call) == 2


def test_a_second_worker_leaves_a_leased_operation_alone(world, kind):
    operation = start(kind, lease_owner="other", lease_until=timezone.now() + timedelta(minutes=1))

    run(operation)

    assert world.log == []


def test_a_doubled_wake_up_of_a_finished_operation_does_nothing(world, kind):
    operation = run(start(kind))

    run(operation)

    assert world.log == ["do a", "do b", "do c"]


def test_a_worker_that_lost_its_lease_stops_before_its_next_step(world, kind):
    def steal(context):
        Operation.objects.filter(pk=context.operation_id).update(
            lease_owner="thief", lease_until=timezone.now() + timedelta(minutes=1)
        )

    thief = register(Kind(f"test.{uuid.uuid4().hex}", [Step("steal", steal), world.step("never")]))
    operation = start(thief)

    run(operation)

    assert world.log == []
    assert operation.lease_owner == "thief"
    assert operation.cursor == 0


def test_one_unfinished_operation_a_subject(kind):
    first = start(kind)

    with pytest.raises(AlreadyAtWork), transaction.atomic():
        start(kind, subject=first.subject)
    run(first)
    start(kind, subject=first.subject)


def test_past_its_deadline_an_operation_is_undone(world, kind):
    world.trouble("do b", Wait("later"))
    operation = run(start(kind))
    Operation.objects.filter(pk=operation.pk).update(
        deadline_at=timezone.now() - timedelta(seconds=1)
    )

    run(operation)

    assert operation.state == OperationState.FAILED
    assert operation.error["type"] == "DeadlineExceeded"
    assert world.things == []


def test_an_undo_that_fails_is_never_given_up(world, kind):
    world.trouble("do b", Conflict("no"))
    world.trouble("undo b", Unavailable("away"), RuntimeError("odd"), Wait("soon"))
    operation = start(kind)

    for _ in range(3):
        run(operation)
        assert operation.state == OperationState.UNDOING
    run(operation)

    assert operation.state == OperationState.FAILED
    assert world.things == []


def test_after_undo_another_round_may_start(world):
    def again(context, error):
        return len(context.rounds) < 2

    kind = register(
        Kind(f"test.{uuid.uuid4().hex}", [world.step("a"), world.step("b")], after_undo=again)
    )
    world.trouble("do b", Conflict("1"), Conflict("2"))
    operation = start(kind)

    run(operation)

    assert operation.state == OperationState.DONE
    assert [each["message"] for each in operation.rounds] == ["1", "2"]
    assert world.things == ["a", "b"]


def test_a_failed_operation_says_so_in_its_last_transaction(world):
    told = []
    kind = register(
        Kind(
            f"test.{uuid.uuid4().hex}",
            [world.step("a")],
            on_failed=lambda context, error: told.append(error["message"]),
        )
    )
    world.trouble("do a", Conflict("no"))

    run(start(kind))

    assert told == ["no"]


def test_the_host_part_of_an_undo_becomes_a_debt_when_the_host_is_away(world):
    debts = []
    kind = register(
        Kind(
            f"test.{uuid.uuid4().hex}",
            [world.step("row"), world.step("disk", on_host=True), world.step("start")],
            postpone=lambda context: debts.append(context.subject),
        )
    )
    world.trouble("do start", Conflict("no"))
    world.trouble("undo disk", *[Unavailable("away")] * 5)
    operation = start(kind)

    run(operation)
    run(operation)

    assert operation.state == OperationState.FAILED
    assert debts == [operation.subject]
    assert world.things == ["disk"]


def test_going_forward_the_host_part_is_put_off_only_where_the_kind_allows_it(world):
    debts = []
    kind = register(
        Kind(
            f"test.{uuid.uuid4().hex}",
            [
                world.step("guest", on_host=True),
                world.step("disk", on_host=True),
                world.step("row"),
            ],
            postpone=lambda context: debts.append(context.subject),
            postpone_do=True,
        )
    )
    world.trouble("do guest", Unavailable("away"), Unavailable("away"))
    operation = start(kind)

    run(operation)
    run(operation)

    assert operation.state == OperationState.DONE
    assert len(debts) == 1
    assert world.log == ["do guest", "do guest", "do row"]


def test_a_step_of_another_queue_is_handed_over_and_back(world):
    kind = register(
        Kind(
            f"test.{uuid.uuid4().hex}",
            [
                world.step("a"),
                world.step("b", queue=lambda context: TRANSFER_QUEUE),
                world.step("c"),
            ],
        )
    )
    operation = start(kind)

    run(operation)
    assert (operation.queue, world.log) == (TRANSFER_QUEUE, ["do a"])
    run(operation, queue=TRANSFER_QUEUE)
    assert (operation.queue, world.log) == ("default", ["do a", "do b"])
    run(operation)

    assert operation.state == OperationState.DONE
    assert OrmQ.objects.filter(key=TRANSFER_QUEUE).count() == 1


def test_a_successor_takes_over_at_once_from_an_operation_that_nobody_runs(world, kind):
    operation = start(kind)
    other = register(Kind(f"test.{uuid.uuid4().hex}", [world.step("end")]))

    following = supersede(
        other.name,
        subject=operation.subject,
        params={"x": 1},
        request_id="req-2",
        now=timezone.now(),
    )

    operation.refresh_from_db()
    assert operation.state == OperationState.CANCELLED
    assert (following.kind, following.params) == (other.name, {"x": 1})


def test_a_running_operation_makes_way_after_its_step(world):
    other = register(Kind(f"test.{uuid.uuid4().hex}", [world.step("end")]))

    def interrupted(context):
        supersede(
            other.name,
            subject=context.subject,
            params={},
            request_id="req-2",
            now=timezone.now(),
        )

    kind = register(
        Kind(f"test.{uuid.uuid4().hex}", [Step("long", interrupted), world.step("never")])
    )
    operation = start(kind)

    run(operation)

    assert operation.state == OperationState.CANCELLED
    assert world.log == []
    following = Operation.objects.get(kind=other.name)
    assert run(following).state == OperationState.DONE


def test_a_long_step_makes_way_at_its_checkpoint(world):
    other = register(Kind(f"test.{uuid.uuid4().hex}", [world.step("end")]))

    def long(context):
        supersede(
            other.name, subject=context.subject, params={}, request_id="r", now=timezone.now()
        )
        # What the heartbeat does when it sees the successor.
        assert lease._extend(context.operation_id, _owner(context), context.make_way)
        context.checkpoint()
        raise AssertionError("the checkpoint let it pass")

    operation = start(register(Kind(f"test.{uuid.uuid4().hex}", [Step("long", long)])))

    run(operation)

    assert operation.state == OperationState.CANCELLED
    assert StepRecord.objects.get(operation=operation).result == "Superseded"


def _owner(context) -> str:
    return Operation.objects.get(pk=context.operation_id).lease_owner


def test_a_checkpoint_lets_pass_what_need_not_make_way(world):
    kind = register(
        Kind(f"test.{uuid.uuid4().hex}", [Step("long", lambda context: context.checkpoint())])
    )

    assert run(start(kind)).state == OperationState.DONE


def test_a_successor_that_comes_in_the_last_moment_is_not_lost(world):
    other = register(Kind(f"test.{uuid.uuid4().hex}", [world.step("end")]))
    kind = register(Kind(f"test.{uuid.uuid4().hex}", []))
    operation = start(kind)
    lease.acquire(operation.pk, "me")
    operation.refresh_from_db()
    worker = engine._Worker(operation, kind, "me", "default")
    supersede(other.name, subject=operation.subject, params={}, request_id="r", now=timezone.now())

    worker._finish(OperationState.DONE)

    operation.refresh_from_db()
    assert operation.state == OperationState.CANCELLED
    assert Operation.objects.filter(kind=other.name).exists()


def test_superseding_by_the_same_kind_changes_nothing(kind):
    operation = start(kind)

    same = supersede(
        kind.name, subject=operation.subject, params={}, request_id="r", now=timezone.now()
    )

    assert same.pk == operation.pk


def test_superseding_nothing_is_an_ordinary_start(kind):
    operation = supersede(
        kind.name, subject=uuid.uuid4(), params={}, request_id="r", now=timezone.now()
    )

    assert operation.state == OperationState.PENDING


def test_superseded_of_a_stolen_operation_ends_quietly(world):
    def stolen(context):
        Operation.objects.filter(pk=context.operation_id).update(lease_owner="thief")
        raise Superseded

    operation = start(register(Kind(f"test.{uuid.uuid4().hex}", [Step("long", stolen)])))

    run(operation)

    assert operation.lease_owner == "thief"

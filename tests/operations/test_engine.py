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
from operations.enqueue import AlreadyAtWork, enqueue, supersede
from operations.errors import Superseded, Wait
from operations.kinds import TRANSFER_QUEUE, Kind, Step, register
from operations.models import Operation, OperationState, StepRecord
from operations.sweep import sweep

pytestmark = pytest.mark.django_db


class World:
    """Things that exist, and what should go wrong when."""

    def __init__(self):
        self.things: list[str] = []
        self.log: list[str] = []
        self.troubles: dict[str, list[Exception]] = {}

    def trouble(self, call: str, *errors: BaseException):
        self.troubles[call] = list(errors)

    def _met(self, call: str):
        self.log.append(call)
        if self.troubles.get(call):
            raise self.troubles[call].pop(0)

    def step(self, name: str, **options) -> Step:
        def do(context):
            if name not in self.things:
                self.things.append(name)
            self._met(f"do {name}")
            return {"made": name}

        def undo(context):
            self._met(f"undo {name}")
            if name in self.things:
                self.things.remove(name)

        return Step(name, do, undo, **options)


@pytest.fixture
def world():
    return World()


@pytest.fixture
def kind(world):
    name = f"test.{uuid.uuid4().hex}"
    return register(Kind(name, [world.step(letter) for letter in "abc"]))


def start(kind: Kind, subject=None, **fields) -> Operation:
    operation = enqueue(
        kind.name,
        subject=subject or uuid.uuid4(),
        params={},
        request_id="req-1",
        now=timezone.now(),
    )
    Operation.objects.filter(pk=operation.pk).update(**fields)
    return operation


def run(operation: Operation, queue="default") -> Operation:
    """One wake-up, as if every pause had passed."""
    Operation.objects.filter(pk=operation.pk).update(wake_at=timezone.now())
    engine.run(operation.pk, queue=queue)
    operation.refresh_from_db()
    return operation


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


def test_waiting_counts_as_no_try_and_leaves_no_record(world, kind):
    world.trouble("do b", Wait("not yet", seconds=60))
    operation = start(kind)

    run(operation)

    assert operation.attempt == 0
    assert operation.cursor == 1
    assert operation.wake_at > timezone.now() + timedelta(seconds=50)
    assert not StepRecord.objects.filter(operation=operation, step="b").exists()
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


class TestSweep:
    """Lost and late wake-ups."""

    @pytest.fixture(autouse=True)
    def _empty_queue(self):
        OrmQ.objects.all().delete()

    def test_a_fresh_operation_is_not_woken_twice(self, kind):
        start(kind)

        assert sweep(now=timezone.now()) == 0

    def test_a_lost_wake_up_is_sent_again_with_growing_pauses(self, kind):
        start(kind)
        now = timezone.now()

        assert sweep(now=now + timedelta(seconds=6)) == 1
        assert sweep(now=now + timedelta(seconds=12)) == 0
        assert sweep(now=now + timedelta(seconds=17)) == 1

    def test_a_pause_that_ended_is_woken_at_once_and_once(self, world, kind):
        world.trouble("do a", Wait("soon", seconds=0.5))
        operation = run(start(kind))

        assert sweep(now=timezone.now()) == 0
        assert sweep(now=operation.wake_at + timedelta(milliseconds=1)) == 1
        assert sweep(now=operation.wake_at + timedelta(milliseconds=2)) == 0

    def test_an_orphan_is_woken_when_its_lease_runs_out(self, kind):
        now = timezone.now()
        operation = start(
            kind, lease_owner="dead", lease_until=now + timedelta(seconds=9), state="running"
        )

        assert sweep(now=now + timedelta(seconds=8)) == 0
        assert sweep(now=now + timedelta(seconds=10)) == 1
        assert OrmQ.objects.count() == 2
        assert run_late(operation).state == OperationState.DONE

    def test_finished_operations_are_left_alone(self, kind):
        run(start(kind))

        assert sweep(now=timezone.now() + timedelta(days=1)) == 0


def run_late(operation: Operation) -> Operation:
    Operation.objects.filter(pk=operation.pk).update(
        lease_until=timezone.now() - timedelta(seconds=1)
    )
    return run(operation)

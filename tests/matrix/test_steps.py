"""Every step of every kind: it fails, it runs twice, its host goes away, it has to make way."""

from __future__ import annotations

import pytest

from operations.models import Operation, OperationState
from servers.models import Server
from servers.states import VmState
from tests.matrix import troubles
from tests.matrix.cases import CASES, PLAIN_CASES, Case
from tests.matrix.troubles import MANY, altered, at
from tests.matrix.world import World

pytestmark = pytest.mark.django_db(transaction=True)


def steps_of(cases: list[Case]) -> pytest.MarkDecorator:
    """The test for each step of these."""
    steps = [(case, step) for case in cases for step in case.steps]
    return pytest.mark.parametrize(
        ("case", "step"), steps, ids=[f"{case}, {step}" for case, step in steps]
    )


EVERY_STEP = steps_of(PLAIN_CASES)
EVERY_UNDONE_STEP = steps_of([each for each in PLAIN_CASES if troubles.undoable(each.definition)])
BEFORE_AND_AFTER = pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])


def assert_clean_slate(world: World) -> None:
    """Once its server is deleted nothing is left, in any table or on any host."""
    world.renew()
    assert world.left() == []


@BEFORE_AND_AFTER
@EVERY_STEP
def test_a_step_that_fails_for_good_leaves_a_clean_slate(
    world: World, case: Case, step: str, is_after: bool
):
    times = None if case.ended_badly else MANY
    trouble = at(step, troubles.failing(troubles.permanent(), is_after=is_after, times=times))
    operation = case.begin(world)

    with altered(case.kind, trouble):
        ended = world.work(operation)

    world.settle()
    (case.ended_badly or case.ended_well)(world, ended)
    assert_clean_slate(world)


@BEFORE_AND_AFTER
@EVERY_STEP
def test_a_step_that_fails_once_is_tried_again(world: World, case: Case, step: str, is_after: bool):
    trouble = at(step, troubles.failing(troubles.passing(), is_after=is_after, times=1))
    operation = case.begin(world)

    with altered(case.kind, trouble):
        ended = world.work(operation)

    if case.definition.retries == 0:
        assert case.ended_badly is not None
        case.ended_badly(world, ended)
    else:
        case.ended_well(world, ended)
    assert ended.rounds == []
    assert_clean_slate(world)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_do_may_run_twice(world: World, case: Case):
    operation = case.begin(world)
    doubled = (
        at(step, troubles.twice(world.snapshot, is_last=step == case.steps[-1]))
        for step in case.steps
    )

    with altered(case.kind, *doubled):
        ended = world.work(operation)

    case.ended_well(world, ended)
    assert_clean_slate(world)


@EVERY_UNDONE_STEP
def test_every_undo_may_run_twice(world: World, case: Case, step: str):
    trouble = at(step, troubles.failing(troubles.permanent(), is_after=True))
    operation = case.begin(world)

    with altered(case.kind, trouble, troubles.undone_twice(world.snapshot)):
        ended = world.work(operation)

    assert case.ended_badly is not None
    case.ended_badly(world, ended)
    assert_clean_slate(world)


@BEFORE_AND_AFTER
@pytest.mark.parametrize("error", [troubles.passing, troubles.permanent])
@EVERY_UNDONE_STEP
def test_an_undo_that_fails_is_made_up_for(world: World, case: Case, step: str, error, is_after):
    last = case.steps[-1]
    trouble = at(last, troubles.failing(troubles.permanent(), is_after=False))
    undo = at(step, troubles.failing_undo(error(), is_after=is_after, times=MANY))
    operation = case.begin(world)

    with altered(case.kind, trouble, undo):
        ended = world.work(operation)

    world.settle()
    assert case.ended_badly is not None
    case.ended_badly(world, ended)
    assert_clean_slate(world)


@BEFORE_AND_AFTER
@EVERY_STEP
def test_a_host_that_goes_away_gets_its_due_when_it_is_back(
    world: World, case: Case, step: str, is_after: bool
):
    gone = troubles.meeting(lambda context: world.hosts["host1"].be_down(), is_after=is_after)
    operation = case.begin(world)

    with altered(case.kind, at(step, gone)):
        world.work(operation, wake_ups=20)
    world.hosts["host1"].be_down(False)
    ended = world.work(operation)

    world.settle()
    if ended.state == OperationState.DONE:
        case.ended_well(world, ended)
    else:
        assert case.ended_badly is not None
        case.ended_badly(world, ended)
    assert_clean_slate(world)


@BEFORE_AND_AFTER
@steps_of([each for each in PLAIN_CASES if each.has_successor])
def test_a_delete_at_any_step_wins(world: World, case: Case, step: str, is_after: bool):
    operation = case.begin(world)
    server = Server.objects.get(pk=operation.subject)
    delete = troubles.meeting(lambda context: world.delete(server), is_after=is_after)

    with altered(case.kind, at(step, delete)):
        world.work(operation)

    world.settle()
    server.refresh_from_db()
    assert server.vm_state == VmState.DELETED
    assert Operation.objects.get(pk=operation.pk).state in (
        OperationState.CANCELLED,
        OperationState.DONE,
    )
    assert world.left() == []

"""Workers are killed with -9 at seeded moments of every kind of operation; the next one goes on."""

from __future__ import annotations

import itertools
import random

import pytest

from operations.models import Operation
from servers.models import Server
from servers.states import VmState
from tests.matrix.cases import CASES, Case
from tests.matrix.imports import left_in_store
from tests.matrix.processes import Point, Watch, is_killed, moments
from tests.matrix.seeds import ALL, KILLS, SEED
from tests.matrix.world import World

pytestmark = pytest.mark.django_db(transaction=True)

# On each database; make test-long has ten times as many.
KILLS_A_CASE = KILLS or 2
KILLS_IN_ALL = 300
DATABASES = 2
# Who takes over may die soon after, too.
DEATHS_IN_A_ROW = 3
SOON = 60
DELETES_A_CASE = KILLS // 3 or 1


def test_there_are_enough_kills():
    kills = len(CASES) * KILLS_A_CASE
    kills += sum(case.has_successor for case in CASES) * DELETES_A_CASE
    assert kills * DATABASES >= KILLS_IN_ALL


@pytest.mark.parametrize("case", CASES, ids=str)
def test_killed_workers_are_succeeded(world: World, case: Case, tmp_path, record_property):
    chance = random.Random(f"{SEED} {case}")
    case.begin(world)
    points = moments(world, tmp_path)
    world.renew()
    chance.shuffle(points)
    kills = 0

    for point in points if ALL else itertools.cycle(points):
        if kills >= KILLS_A_CASE and not ALL:
            break
        kills += kills_in(world, case, point, chance)

    world.renew()
    assert world.left() == []
    record_property("kills", kills)


def kills_in(world: World, case: Case, point: Point, chance: random.Random) -> int:
    """Begin, die at the point and perhaps again; the last one comes to the right end."""
    operation = case.begin(world)
    deaths = [str(point)]
    try:
        assert is_killed(world, Watch(point)), "the moment never came"
        for _ in range(DEATHS_IN_A_ROW - 1):
            later = chance.randint(1, SOON)
            if not is_killed(world, Watch(at_number=later)):
                break
            deaths.append(f"{later} moments later")
        world.settle()
        case.ended_well(world, Operation.objects.get(pk=operation.pk))
        if not case.keeps:
            world.renew()
            assert world.left() == []
            assert left_in_store() == []
    except Exception as error:
        error.add_note(f"{case}, seed {SEED}, killed at {', '.join(deaths)}")
        raise
    return len(deaths)


@pytest.mark.parametrize("case", [each for each in CASES if each.has_successor], ids=str)
def test_a_delete_takes_over_from_a_killed_worker(
    world: World, case: Case, tmp_path, record_property
):
    chance = random.Random(f"{SEED} {case} delete")
    case.begin(world)
    points = moments(world, tmp_path)
    world.renew()
    chosen = points if ALL else chance.sample(points, min(DELETES_A_CASE, len(points)))

    for point in chosen:
        operation = case.begin(world)
        server = Server.objects.get(pk=operation.subject)
        try:
            assert is_killed(world, Watch(point)), "the moment never came"
            world.delete(server)
            world.settle()
            server.refresh_from_db()
            assert server.vm_state == VmState.DELETED
            assert world.left() == []
            world.renew()
        except Exception as error:
            error.add_note(f"{case}, seed {SEED}, killed at {point}")
            raise

    record_property("kills", len(chosen))

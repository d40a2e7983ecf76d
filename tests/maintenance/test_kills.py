"""Keepers are killed with -9 at seeded moments of a turn; plans go on as if nothing had been."""

from __future__ import annotations

import os
import random
import signal
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from maintenance.carry import carry_on_drains
from maintenance.models import Drain, DrainItem
from maintenance.states import DrainState, ItemState
from servers.models import Migration, Server
from servers.states import MigrationStatus, VmState
from tests.maintenance.conftest import Site, run_everything
from tests.matrix.processes import ended, fork
from tests.matrix.seeds import SEED

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE = 2
TURNS = 15
AT_LEAST = 5
LATER = timedelta(seconds=4)
# Of so many moments one is tried. PostgreSQL takes its time for each connection.
STRIDE = {"sqlite": 20, "postgresql": 60}


def test_killed_keepers_neither_lose_nor_double_a_move(site, switched_off):
    chance = random.Random(f"{SEED} drain")
    switched_off(site.servers[2])
    site.start(max_at_once=AT_ONCE)
    kills = 0

    for _ in range(TURNS):
        site.clock += LATER
        kills += kills_in_a_turn(site, chance)
        run_everything()
        if Drain.objects.get().state == DrainState.DONE:
            break

    assert Drain.objects.get().state == DrainState.DONE
    assert kills >= AT_LEAST
    assert set(site.states()) == {ItemState.MOVED}
    assert "host1" not in site.places()
    # Each has left once.
    left = Migration.objects.order_by("server_id").values_list("server_id", flat=True)
    assert list(left) == sorted(server.pk for server in site.servers)
    assert set(Migration.objects.values_list("status", flat=True)) == {
        MigrationStatus.COMPLETED, MigrationStatus.CONFIRMED
    }  # fmt: skip
    off = Server.objects.get(pk=site.servers[2].pk)
    assert (off.vm_state, off.task_state) == (VmState.STOPPED, None)


def kills_in_a_turn(site: Site, chance: random.Random) -> int:
    """Keepers die later and later in their turn, until one comes to its end; how many died."""
    moment = deaths = 0
    while True:
        moment += chance.randint(1, STRIDE[connection.vendor])
        if not is_killed(site, moment):
            return deaths
        deaths += 1
        # What was begun is noted, and what is noted was begun.
        moving = DrainItem.objects.filter(state=ItemState.MOVING).values_list("server_id")
        assert len(moving) <= AT_ONCE
        assert {each.subject for each in site.moves()} <= {key for (key,) in moving}


def is_killed(site: Site, at: int) -> bool:
    """A keeper's turn in a process of its own, dead at this moment; False: it was over before."""
    status = ended(fork(lambda: _turn(site, at)))
    assert status in (0, -signal.SIGKILL)
    return status != 0


def _turn(site: Site, at: int) -> None:
    """Moments lie before and after every statement of SQL and every commit."""
    seen = 0
    database: Any = connection
    commit = database._commit

    def moment() -> None:
        nonlocal seen
        seen += 1
        if seen == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def statement(execute: Any, *about: Any) -> Any:
        moment()
        answer = execute(*about)
        moment()
        return answer

    def watched_commit() -> None:
        moment()
        commit()
        moment()

    database._commit = watched_commit
    with connection.execute_wrapper(statement):
        carry_on_drains(site.clock)

"""Every use case that begins a task keeps to the table, in every state and during every task."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from django.db import transaction
from django.utils import timezone

from servers.delete import delete_server
from servers.errors import InvalidState
from servers.legal import LEGAL
from servers.models import Server
from servers.power import (
    pause_server,
    reboot_server,
    resume_server,
    start_server,
    stop_server,
    suspend_server,
    trigger_crash_dump,
    unpause_server,
)
from servers.states import TaskState, VmState
from tests.authorisation import actor_named

pytestmark = pytest.mark.django_db
USE_CASES: dict[str, Callable[..., None]] = {
    "start": start_server,
    "stop": stop_server,
    "reboot": partial(reboot_server, hard=False),
    "hard reboot": partial(reboot_server, hard=True),
    "pause": pause_server,
    "unpause": unpause_server,
    "suspend": suspend_server,
    "resume": resume_server,
    "trigger_crash_dump": trigger_crash_dump,
    "delete": delete_server,
    "forceDelete": partial(delete_server, is_forced=True),
}


@pytest.mark.parametrize("vm_state", list(VmState)[:-1])
@pytest.mark.parametrize("name", USE_CASES)
def test_every_state_and_task(active, name, vm_state):
    server, rule = active(), LEGAL[name]

    for task in [None, *TaskState]:
        Server.objects.update(vm_state=vm_state, task_state=task)
        accepted, words = attempt(name, Server.objects.get())

        server.vm_state, server.task_state = vm_state, task
        obstacle = rule.obstacle(server)
        assert accepted == (obstacle is None), (task, words)
        if obstacle is None:
            continue
        place = " ".join(obstacle)
        assert words == f"Cannot '{rule.action}' instance {server.pk} while it is in {place}"


def attempt(name: str, server: Server) -> tuple[bool, str]:
    """Whether it was accepted, and why not; nothing of it stays."""
    with transaction.atomic():
        try:
            USE_CASES[name](server=server, actor=actor_named("member"), now=timezone.now())
        except InvalidState as error:
            return False, str(error)
        assert server.task_state == (LEGAL[name].begins or server.task_state)
        transaction.set_rollback(True)
        return True, ""


@pytest.mark.parametrize("name", sorted(set(USE_CASES) - {"delete", "forceDelete"}))
def test_a_server_that_never_ran_is_refused(active, name):
    rule = LEGAL[name]
    server = active(vm_state=sorted(rule.states)[0], launched_at=None)

    accepted, words = attempt(name, server)

    assert not accepted
    assert words.endswith("while it is in launched_at None")

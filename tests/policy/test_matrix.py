"""Who may call what: every call of the compute API by every kind of caller, as one table.

`matrix.txt` has a line a call, and a line an action on a server: what each caller gets, in the
columns of its head. A status is a refusal; `ok` is whatever a caller who may ask is told. Things
belong to `owner`, who is a member of the own project. A call without a line fails, and says which
line it would have.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from servers.api.actions import ACTIONS
from servers.models import Server
from tests.authorisation import NOBODY, client_as
from tests.compute_more import add_more
from tests.compute_world import World, make_world
from tests.endpoints import Call, compute_calls
from tests.policy.bodies import STATES, body_of

TABLE = Path(__file__).parent / "matrix.txt"
CALLERS = [
    *(NOBODY, "reader", "member", "manager", "admin", "service", "owner", "without role"),
    *("unscoped", "foreign reader", "foreign member", "foreign manager", "foreign admin"),
]
REFUSED = {401, 403, 404}
SERVER_ACTION = "servers/{server_id}/action"
# The same views under an older name.
ALIAS = "os-volumes_boot"


def _rows() -> list[tuple[Call, str, str]]:
    """Every call, its action if it is one, and the microversion at which it is asked."""
    rows = []
    for call in compute_calls():
        if call.route == SERVER_ACTION:
            rows.extend(
                (call, name, action.until or str(call.last)) for name, action in ACTIONS.items()
            )
        else:
            is_action = call.route == f"{ALIAS}/{{server_id}}/action"
            rows.append((call, "os-stop" if is_action else "", str(call.last)))
    return sorted(rows, key=lambda row: (str(row[0]), row[1]))


def _table() -> dict[str, list[str]]:
    lines = [line for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
    parted = [line.rsplit("|", 1) for line in lines]
    return {name.strip(): found.split() for name, found in parted}


@pytest.fixture
def world(db) -> World:
    return add_more(make_world())


@pytest.mark.django_db
@pytest.mark.usefixtures("silent_hosts")
@pytest.mark.parametrize(
    ("call", "action", "microversion"),
    [pytest.param(*row, id=f"{row[0]} {row[1]}".strip()) for row in _rows()],
)
def test_every_caller_gets_the_answer_in_the_table(call, action, microversion, world):
    name = f"{call} {action}".strip()
    Server.objects.update(vm_state=STATES.get(action, "active"))
    body = body_of(str(call).replace(ALIAS, "servers"), action, world)
    sent: dict[str, Any] = (
        {} if body is None else {"data": body, "content_type": "application/json"}
    )

    found = []
    for who in CALLERS:
        with transaction.atomic():
            client = client_as(who, microversion)
            path = world.path(call.route)
            status = client.generic(call.method, path, **sent).status_code
            found.append(str(status) if status in REFUSED else "ok")
            transaction.set_rollback(True)

    expected = _table().get(name)
    line = f"{name:<58} | {' '.join(f'{each:<3}' for each in found).rstrip()}"
    assert expected == found, f"the line in {TABLE.name} would be\n{line}"


def test_no_line_is_left_of_a_call_that_is_gone():
    assert set(_table()) == {f"{call} {action}".strip() for call, action, _ in _rows()}

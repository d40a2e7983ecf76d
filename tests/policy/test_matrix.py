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

from servers.api.actions import ACTIONS
from servers.models import Server
from tests.authorisation import NOBODY, client_as
from tests.compute_more import add_more
from tests.compute_world import World, make_world
from tests.endpoints import Call, compute_calls
from tests.policy.bodies import STATES, body_of
from tests.policy.table import Table

CALLERS = [
    *(NOBODY, "reader", "member", "manager", "admin", "service", "owner", "without role"),
    *("unscoped", "foreign reader", "foreign member", "foreign manager", "foreign admin"),
]
TABLE = Table(Path(__file__).parent / "matrix.txt", CALLERS)
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

    def ask(who: str) -> int:
        client = client_as(who, microversion)
        path = world.path(call.route)
        return int(client.generic(call.method, path, **sent).status_code)

    TABLE.compare(name, ask)


def test_no_line_is_left_of_a_call_that_is_gone():
    assert set(TABLE.lines()) == {f"{call} {action}".strip() for call, action, _ in _rows()}

"""Who may call what: every call of the volume API by every kind of caller, as one table.

`volume.txt` has a line a call, and a line an action on a volume: what each caller gets, in the
columns of its head. The things of the addresses are the own project's.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.authorisation import NOBODY
from tests.endpoints import Call, calls_of
from tests.hypervisors.fake_host import installed
from tests.policy.table import Table
from tests.policy.volume_world import VOLUME_ACTION, actions, make_volume_world

CALLERS = [
    *(NOBODY, "reader", "member", "manager", "admin", "service", "owner", "without role"),
    *("unscoped", "foreign reader", "foreign member", "foreign manager", "foreign admin"),
]
TABLE = Table(Path(__file__).parent / "volume.txt", CALLERS)


def _rows() -> dict[str, tuple[Call, str]]:
    """The name of each line, its call, and its action if it is one."""
    rows = {}
    for call in calls_of("volume"):
        for action in actions() if call.route == VOLUME_ACTION else [""]:
            rows[f"{call} {action}".strip()] = (call, action)
    return rows


ROWS = _rows()


@pytest.mark.django_db
@pytest.mark.parametrize("name", ROWS)
def test_every_caller_gets_the_answer_in_the_table(name, monkeypatch, settings, tmp_path):
    settings.IMAGE_DIR = tmp_path
    call, action = ROWS[name]
    world = make_volume_world(installed(monkeypatch))

    TABLE.compare(name, world.ask(call.method, call.route, action))


def test_no_line_is_left_of_a_call_that_is_gone():
    assert set(TABLE.lines()) == set(ROWS)

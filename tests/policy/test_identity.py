"""Who may call what: every call of the identity API by every kind of caller, with real tokens.

`identity.txt` has a line a call: what each caller gets, in the columns of its head. The things of
the addresses are `owner`'s, who is a member of the own project.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.endpoints import calls_of
from tests.policy.identity_world import CALLERS, make_identity_world
from tests.policy.table import Table

TABLE = Table(Path(__file__).parent / "identity.txt", CALLERS)
CALLS = calls_of("identity")


@pytest.mark.django_db
@pytest.mark.parametrize("call", CALLS, ids=str)
def test_every_caller_gets_the_answer_in_the_table(call):
    world = make_identity_world()

    TABLE.compare(str(call), world.ask(call.method, call.route))


def test_no_line_is_left_of_a_call_that_is_gone():
    assert set(TABLE.lines()) == set(map(str, CALLS))

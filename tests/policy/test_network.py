"""Who may call what: every call of the network API by every kind of caller.

`network.txt` has a line a call: what each caller gets, in the columns of its head. The things of
the addresses, and the networks of the bodies, are the own project's.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.endpoints import calls_of
from tests.policy.network_world import BODIES, make_network_world
from tests.policy.table import Table
from tests.policy.test_matrix import CALLERS

TABLE = Table(Path(__file__).parent / "network.txt", CALLERS)
CALLS = calls_of("network")


@pytest.mark.django_db
@pytest.mark.parametrize("call", CALLS, ids=str)
def test_every_caller_gets_the_answer_in_the_table(call):
    TABLE.compare(str(call), make_network_world().ask(call.method, call.route))


def test_no_line_is_left_of_a_call_that_is_gone():
    assert set(TABLE.lines()) == set(map(str, CALLS))
    assert set(BODIES) <= set(map(str, CALLS))

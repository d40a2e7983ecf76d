"""How many queries each GET of the compute API makes: the same for few rows as for many.

The numbers are kept in `counts.json`, so that a rise shows where the code is reviewed. After a
change that is meant: `pytest tests/queries --rewrite`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from tests.authorisation import client_as
from tests.compute_world import make_world
from tests.endpoints import compute_calls

KEPT = Path(__file__).parent / "counts.json"


def _counted(rows: int) -> dict[str, int]:
    found = {}
    with transaction.atomic():
        world = make_world(rows)
        for call in compute_calls():
            if call.method == "GET":
                client = client_as("admin", str(call.last))
                with CaptureQueriesContext(connection) as queries:
                    client.get(world.path(call.route))
                found[str(call)] = len(queries)
        transaction.set_rollback(True)
    return found


@pytest.mark.django_db
@pytest.mark.usefixtures("silent_hosts")
def test_a_get_makes_as_many_queries_as_are_kept_for_few_rows_and_for_many(rewrite):
    few, many = _counted(3), _counted(30)

    assert few == many
    if rewrite:
        KEPT.write_text(json.dumps(few, indent=2, sort_keys=True) + "\n")
    assert few == json.loads(KEPT.read_text())

"""SQLite has one writer at a time: a crowd waits for it, and nobody is turned away."""

from __future__ import annotations

import collections
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cloud.conftest import set_up
from tests.database.conftest import asker
from tests.portal import Portal, eventually, running

pytestmark = [pytest.mark.wire]

CLIENTS = 24
EACH = 8


@pytest.fixture
def crowded():
    """A portal on SQLite, without a host."""
    with tempfile.TemporaryDirectory(prefix="cpc-", ignore_cleanup_errors=True) as folder:
        portal = Portal(Path(folder))
        set_up(portal)
        with running(portal):
            yield portal


def test_a_crowd_of_writers_gets_no_error(crowded):
    demo = crowded.connection()
    admin = crowded.connection("cloudportal-admin")
    admin.compute.update_quota_set(demo.current_project_id, instances=500, cores=-1, ram=-1)
    ask = asker(crowded, demo.auth_token)
    fields = {
        "imageRef": demo.image.find_image("tiny").id,
        "flavorRef": demo.compute.find_flavor("m1.tiny").id,
        "networks": "auto",
    }

    def create_and_delete(client: int) -> list[int]:
        said = []
        for number in range(EACH):
            made = ask("/servers", {"server": {**fields, "name": f"s-{client}-{number}"}})
            said.append(made.status)
            # While the workers write what becomes of it.
            if made.status == 202 and number % 2:
                path = f"/servers/{made.body['server']['id']}"
                said.append(ask(path, method="DELETE").status)
        return said

    with ThreadPoolExecutor(CLIENTS) as clients:
        answers = list(clients.map(create_and_delete, range(CLIENTS)))

    assert collections.Counter(status for each in answers for status in each) == {
        202: CLIENTS * EACH,
        204: CLIENTS * EACH // 2,
    }
    # There is no host, so each that was not deleted ends in ERROR, and none on its way.
    eventually(
        lambda: (
            collections.Counter(server.status for server in demo.compute.servers())
            == {"ERROR": CLIENTS * EACH // 2}
        ),
        within_s=120,
        what="every server has come to its end",
    )
    assert "database is locked" not in "".join(
        path.read_text(errors="replace") for path in crowded.var.glob("*.log")
    )

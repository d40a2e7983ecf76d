"""Who may call what: every call of the image API by every kind of caller, as one table.

`image.txt` has a line a call: what each caller gets, in the columns of its head. The images are of
the own project and private; those of lines with `public` are public, and those with members are
shared with the foreign project.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from images.models import Visibility
from tests.authorisation import NOBODY, client_as
from tests.endpoints import Call, calls_of
from tests.policy.image_world import make_image_world, sent_by
from tests.policy.table import Table

CALLERS = [
    *(NOBODY, "reader", "member", "manager", "admin", "service", "owner", "without role"),
    *("unscoped", "foreign reader", "foreign member", "foreign manager", "foreign admin"),
]
TABLE = Table(Path(__file__).parent / "image.txt", CALLERS)


def _rows() -> dict[str, tuple[Call, str]]:
    """The name of each line, its call, and the visibility of the image it is for."""
    rows = {}
    for call in calls_of("image"):
        rows[str(call)] = (call, str(Visibility.PRIVATE))
        if "{image_id}" in call.route and "/members" not in call.route:
            rows[f"{call} public"] = (call, str(Visibility.PUBLIC))
    return rows


ROWS = _rows()


@pytest.mark.django_db
@pytest.mark.parametrize("name", ROWS)
def test_every_caller_gets_the_answer_in_the_table(name, settings, tmp_path):
    settings.IMAGE_DIR = tmp_path
    call, visibility = ROWS[name]
    path = make_image_world().path(call.method, call.route, visibility)

    def ask(who: str) -> int:
        sent = sent_by(call.method, call.route)
        answer = client_as(who).generic(call.method, path, **sent)
        if answer.streaming:
            list(answer)  # which closes the file
        return int(answer.status_code)

    TABLE.compare(name, ask)


def test_no_line_is_left_of_a_call_that_is_gone():
    assert set(TABLE.lines()) == set(ROWS)

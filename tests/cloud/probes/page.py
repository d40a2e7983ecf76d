"""The page that shows the table."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from tests.cloud.probes.table import GROUPS, Column, Outcome

CLIENTS = ("openstacksdk", "python-novaclient", "python-openstackclient")
HEAD = """\
# Endpoints and clients

Which real client was asked what, and how it went. The page is written by the tests themselves
(`make compatibility`), which run every probe on simulated hosts with real guests and fail when the
page says something else: `tests/cloud/test_probes.py`. `make test` asks two of the columns anew,
`make test-long` all of them.

| | |
|---|---|
| ● | done, and its effect seen through the same client |
| ○ | asked where the state of things forbids it: refused with the status that the state calls for |
| 501 | not offered by this release |
| - | the client has no such call, or not at this version |

novaclient stops at 2.96; 2.100 is what `openstack --os-compute-api-version 2.100` asks. The columns
without a version are clients that negotiate their own, call by call.

"""


def page(columns: Sequence[Column]) -> str:
    """All of it."""
    shown = [f"{name} {version(name)}" for name in CLIENTS]
    head = ["", *(column.name for column in columns)]
    lines = [f"Asked with {', '.join(shown)}.", "", _row(head), _row(["---"] * len(head))]
    for group in GROUPS:
        cells = [column.cells.get(group, Outcome.NO_CALL) for column in columns]
        lines.append(_row([group, *cells]))
    return HEAD + "\n".join(lines) + "\n"


def cells_of(text: str) -> dict[str, dict[str, str]]:
    """What the page says: by column, by group."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.count(" | ") >= 2]
    names = rows[0]
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    for group, *cells in rows[2:]:
        for name, cell in zip(names, cells, strict=True):
            found[name][group] = cell
    return found


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"

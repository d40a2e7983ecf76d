"""The page of the services' tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version

from tests.cloud.probes.services.ansible import BIN
from tests.cloud.probes.services.groups import GROUPS, ServiceColumn
from tests.cloud.probes.table import Outcome

CLIENTS = ("openstacksdk", "python-openstackclient", "python-glanceclient")
HEAD = """\
# The other services and their clients

Which real client was asked what of the identity, image, network and volume services, and how it
went; of the compute service only Ansible, as its other clients have
[a page of their own](compatibility.md). The page is written by the tests themselves
(`make compatibility`), which ask everything on simulated hosts and fail when it says otherwise:
`tests/cloud/test_service_probes.py`. `make test` asks the libraries anew, `make test-long` all.

| | |
|---|---|
| ● | done, and its effect seen through the same client |
| 404 | not offered: answered as by a cloud of the field that was set up without it |
| - | the client has no such call, or it adds nothing |

Terraform's provider is in no registry that the tests reach, so nothing is claimed of it.

"""


def page(columns: Sequence[ServiceColumn]) -> str:
    """All of it."""
    shown = [f"{name} {version(name)}" for name in CLIENTS]
    lines = [f"Asked with {', '.join(shown)}, openstack.cloud {_of_collection()}."]
    for service, groups in GROUPS.items():
        asked = [column for column in columns if column.service == service]
        head = [service, *(column.name for column in asked)]
        lines += ["", _row(head), _row(["---"] * len(head))]
        for group in groups:
            cells = [column.cells.get(group, Outcome.NO_CALL) for column in asked]
            lines.append(_row([group, *cells]))
    return HEAD + "\n".join(lines) + "\n"


def cells_of(text: str) -> dict[tuple[str, str, str], str]:
    """What a page says, by service, client and group."""
    found: dict[tuple[str, str, str], str] = {}
    service, clients = "", list[str]()
    for line in text.splitlines():
        first, *cells = line.strip("| ").split(" | ")
        if first in GROUPS and cells:
            service, clients = first, cells
        elif service and cells and first in GROUPS[service]:
            found |= {
                (service, each, first): cell for each, cell in zip(clients, cells, strict=True)
            }
    return found


def _of_collection() -> str:
    [folder] = BIN.parent.glob("lib/python3*/site-packages/ansible_collections/openstack/cloud")
    return str(json.loads((folder / "MANIFEST.json").read_text())["collection_info"]["version"])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"

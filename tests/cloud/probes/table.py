"""The table of endpoint groups and clients: its rows, its columns, and what stands in a cell."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from cloudportal.api.microversions import Microversion
from tests.portal import Portal, eventually

GROUPS = (
    *("versions", "extensions"),
    *("servers: create, show, change, delete", "servers: lists, filters, pages"),
    *("metadata", "tags", "addresses", "security groups of a server", "interfaces"),
    *("volume attachments", "diagnostics", "console output", "remote consoles", "password"),
    *("topology", "shares", "instance actions", "migrations", "migrations of a server"),
    *("start, stop", "reboot", "pause, unpause", "suspend, resume", "lock, unlock"),
    *("rescue, unrescue", "resize, confirm, revert", "migrate", "live migration", "evacuate"),
    *("rebuild", "shelve, unshelve", "create image", "create backup", "change password"),
    *("crash dump", "reset state", "restore"),
    *("server groups", "flavors", "flavor access", "flavor extra specs", "key pairs"),
    *("limits", "quota sets", "quota classes", "usage"),
    *("availability zones", "aggregates", "image pre-cache", "hypervisors", "services"),
    *("external events", "assisted volume snapshots"),
    # The end of the column's server.
    "force delete",
)


# In the words of every 501 of the compute API.
ABSENT = "is not available in this release"
IS_AT_REST = """
from operations.models import UNFINISHED, Operation
print(not Operation.objects.filter(subject="{}", state__in=UNFINISHED).exists())
"""


class Outcome(StrEnum):
    """What stands in a cell."""

    PASSED = "●"
    UNDERSTOOD = "○"
    NOT_OFFERED = "501"
    ABSENT = "404"
    NO_CALL = "-"
    FAILED = "✗"


@dataclass(frozen=True)
class Probe:
    """What a client does for one group, from and until a microversion."""

    ask: Callable[[Any], Outcome | None]
    since: str = "2.1"
    until: str = ""
    # Whether a client that negotiates versions finds the one that the call needs.
    is_negotiated: bool = True

    def is_known_at(self, version: str) -> bool:
        """Whether the client has the call at a version; "" is one that it negotiates."""
        if not version:
            return self.is_negotiated
        asked = Microversion.parse(version)
        return Microversion.parse(self.since) <= asked and not (
            self.until and asked > Microversion.parse(self.until)
        )


class Probes(dict[str, Probe]):
    """The probes of one kind of client, by group, in the order in which they are made."""

    def __init__(self, groups: Sequence[str] = GROUPS) -> None:
        super().__init__()
        self.groups = groups

    def of(
        self, group: str, *, since: str = "2.1", until: str = "", is_negotiated: bool = True
    ) -> Callable[[Callable[[Any], Outcome | None]], Callable[[Any], Outcome | None]]:
        """Let a function be the probe of a group."""
        assert group in self.groups, group

        def keep(ask: Callable[[Any], Outcome | None]) -> Callable[[Any], Outcome | None]:
            self[group] = Probe(ask, since, until, is_negotiated)
            return ask

        return keep


class NotOffered(Exception):
    """The cloud says that it has no such thing."""


@dataclass
class Column:
    """One client with a server of its own, on which it makes its probes one after the other."""

    name: str
    portal: Portal
    version: str = ""
    # A column that is told to asks for what takes long without waiting for it to be done.
    is_brief: bool = False
    server: str = ""
    cells: dict[str, Outcome] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.admin: Any = self.portal.connection("cloudportal-admin")
        self.demo: Any = self.portal.connection()

    @property
    def own(self) -> str:
        """A name that no other column has."""
        return f"probe-{self.name}".replace(" ", "-").replace(".", "-")

    def at(self, version: str) -> bool:
        """Whether the column's version is that or newer."""
        asked = Microversion.parse(version)
        return not self.version or Microversion.parse(self.version) >= asked

    def run(self, probes: Probes) -> None:
        """Fill the column, in the order of the groups."""
        for group in sorted(probes, key=probes.groups.index):
            self.cells[group] = self._outcome(group, probes[group])

    def _outcome(self, group: str, probe: Probe) -> Outcome:
        if not probe.is_known_at(self.version):
            return Outcome.NO_CALL
        try:
            return probe.ask(self) or Outcome.PASSED
        except Exception as error:  # noqa: BLE001 - whatever goes wrong is what the cell says
            if isinstance(error, NotOffered) or ABSENT in str(error):
                return Outcome.NOT_OFFERED
            self.failures[group] = "".join(traceback.format_exception(error)[-4:])
            return Outcome.FAILED

    def shown(self) -> dict[str, Any]:
        """The server as an administrator sees it."""
        answer = self.admin.compute.get(f"/servers/{self.server}", microversion="2.96")
        found: dict[str, Any] = answer.json().get("server", {})
        return found

    @contextlib.contextmanager
    def off(self) -> Iterator[None]:
        """The server is off meanwhile: a guest of one sector gives no card back while it runs."""
        self.demo.compute.stop_server(self.server)
        self.becomes("SHUTOFF")
        yield
        self.is_at_rest()
        self.demo.compute.start_server(self.server)
        self.becomes("ACTIVE")

    def is_at_rest(self) -> None:
        """Wait until nothing is done to the server, of which a detached thing says nothing."""
        program = IS_AT_REST.format(self.server)
        eventually(
            lambda: "True" in self.portal.manage("shell", "-v", "0", "-c", program),
            what=f"{self.name}: nothing is under way",
        )

    def becomes(self, *statuses: str, within_s: float = 60) -> None:
        """Wait until the server has one of these, and no task."""

        def look() -> bool:
            found = self.shown()
            assert found["status"] != "ERROR" or "ERROR" in statuses, found.get("fault")
            return found["status"] in statuses and found["OS-EXT-STS:task_state"] is None

        eventually(look, within_s=within_s, what=f"{self.name}: the server is {statuses}")

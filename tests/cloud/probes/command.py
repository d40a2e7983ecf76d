"""What the `openstack` command is asked, as it comes and at a microversion."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from openstack.exceptions import ConflictException

from cloudportal.api.views import COMPUTE
from tests.cloud import blink
from tests.cloud.probes.table import Column, NotOffered, Outcome, Probes
from tests.portal import eventually

PROBES = Probes()
ADMIN = "cloudportal-admin"


class CommandColumn(Column):
    """The command, with `--os-compute-api-version` where a version is given."""

    def run_it(self, *words: str, cloud: str = "cloudportal") -> str:
        """Its output; what it says when it fails is the error.

        Raises:
            Refused: it failed.
        """
        version = ("--os-compute-api-version", self.version) if self.version else ()
        done = self.portal.commanded(*version, *words, cloud=cloud)
        if done.returncode:
            raise Refused(f"openstack {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def read(self, *words: str, cloud: str = "cloudportal") -> Any:
        """Its answer as JSON."""
        return json.loads(self.run_it(*words, "-f", "json", cloud=cloud))

    def root(self, *words: str) -> str:
        """What the administrator runs."""
        return self.run_it(*words, cloud=ADMIN)

    def root_read(self, *words: str) -> Any:
        """What the administrator reads."""
        return self.read(*words, cloud=ADMIN)


class Refused(Exception):
    """The command failed."""


def refused(ask: Any, *words: str, status: int) -> Outcome:
    """The call is refused for the state of things, not for how it was made."""
    try:
        ask(*words)
    except Refused as error:
        if f"{status}:" in str(error) or f"HTTP {status}" in str(error):
            return Outcome.UNDERSTOOD
        raise
    raise AssertionError("it was not refused")


def names(rows: Any) -> set[str]:
    return {row["Name"] for row in rows}


@PROBES.of("versions")
def _versions(c: CommandColumn) -> None:
    rows = c.read("versions", "show", "--service", "compute", "--status", "CURRENT")
    assert [row["Max Microversion"] for row in rows] == [str(COMPUTE.maximum)]


@PROBES.of("extensions")
def _extensions(c: CommandColumn) -> None:
    rows = c.read("extension", "list", "--compute")
    assert {"os-keypairs", "cloudportal"} <= {row["Alias"] for row in rows}


@PROBES.of("servers: create, show, change, delete")
def _server(c: CommandColumn) -> None:
    flavor = ("--image", blink.NAME, "--flavor", "m1.tiny", "--network", "default")
    tags = ("--tag", "probe") if c.version else ()
    made = c.read("server", "create", *flavor, *tags, "--property", "a=b", "--wait", c.own)
    c.server = made["id"]
    c.run_it("server", "set", "--name", f"{c.own}-one", "--property", "c=d", c.server)
    c.run_it("server", "unset", "--property", "c", c.server)
    shown = c.read("server", "show", c.server)
    assert (shown["name"], shown["status"]) == (f"{c.own}-one", "ACTIVE")
    assert shown["properties"] == {"a": "b"}
    c.run_it("server", "create", *flavor, f"{c.own}-two")
    c.run_it("server", "delete", "--wait", f"{c.own}-two")


@PROBES.of("servers: lists, filters, pages")
def _lists(c: CommandColumn) -> None:
    narrow = ("--name", f"{c.own}-one", "--status", "ACTIVE", "--flavor", "m1.tiny")
    assert [row["ID"] for row in c.read("server", "list", *narrow, "--long")] == [c.server]
    assert c.server in {row["ID"] for row in c.root_read("server", "list", "--all-projects")}
    assert len(c.read("server", "list", "--limit", "1")) == 1


@PROBES.of("metadata")
def _metadata(c: CommandColumn) -> None:
    c.run_it("server", "set", "--property", "color=red", c.server)
    c.run_it("server", "unset", "--property", "color", c.server)
    assert c.read("server", "show", c.server)["properties"] == {"a": "b"}


@PROBES.of("tags")
def _tags(c: CommandColumn) -> None:
    c.run_it("server", "set", "--tag", "green", c.server)
    c.run_it("server", "unset", "--tag", "green", c.server)


@PROBES.of("addresses")
def _addresses(c: CommandColumn) -> None:
    assert list(c.read("server", "show", c.server)["addresses"]) == ["default"]


@PROBES.of("security groups of a server")
def _security_groups(c: CommandColumn) -> None:
    c.run_it("server", "remove", "security", "group", c.server, "default")
    c.run_it("server", "add", "security", "group", c.server, "default")
    assert c.read("server", "show", c.server)["security_groups"] == [{"name": "default"}]


@PROBES.of("interfaces")
def _interfaces(c: CommandColumn) -> None:
    port = c.read("port", "create", "--network", "default", c.own)["id"]
    try:
        with c.off():
            c.run_it("server", "add", "port", c.server, port)
            assert len(c.read("port", "list", "--server", c.server)) == 2
            c.run_it("server", "remove", "port", c.server, port)
            eventually(
                lambda: len(c.read("port", "list", "--server", c.server)) == 1, what="it is out"
            )
    finally:
        with contextlib.suppress(ConflictException):
            c.demo.network.delete_port(port)


@PROBES.of("volume attachments")
def _volumes(c: CommandColumn) -> None:
    assert c.read("server", "volume", "list", c.server) == []


@PROBES.of("diagnostics")
def _diagnostics(c: CommandColumn) -> None:
    assert c.root_read("server", "show", "--diagnostics", c.server)


@PROBES.of("console output")
def _console_output(c: CommandColumn) -> None:
    eventually(
        lambda: blink.UP in c.run_it("console", "log", "show", c.server),
        what="the guest says that it is up",
    )
    c.run_it("console", "log", "show", "--lines", "1", c.server)


@PROBES.of("remote consoles")
def _consoles(c: CommandColumn) -> None:
    try:
        shown = [
            c.read("console", "url", "show", kind, c.server) for kind in ("--novnc", "--serial")
        ]
    except Refused as error:
        if "Unavailable console type" in str(error):
            raise NotOffered from error
        raise
    for each in shown:
        assert "token" in each["url"]


@PROBES.of("topology", since="2.78", is_negotiated=False)
def _topology(c: CommandColumn) -> None:
    c.root_read("server", "show", "--topology", c.server)


@PROBES.of("shares")
def _shares(c: CommandColumn) -> None:
    assert c.read("server", "share", "list", c.server) == []


@PROBES.of("instance actions")
def _actions(c: CommandColumn) -> None:
    rows = c.read("server", "event", "list", c.server)
    assert "create" in {row["Action"] for row in rows}
    assert c.root_read("server", "event", "show", c.server, rows[0]["Request ID"])["events"]


@PROBES.of("migrations")
def _migrations(c: CommandColumn) -> None:
    c.root_read("server", "migration", "list", "--server", c.server)

"""What the `openstack` command is asked of the volume service."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.cloud import blink
from tests.cloud.probes.command import names
from tests.cloud.probes.services.absent import absent
from tests.cloud.probes.services.groups import VOLUME, ServiceCommandColumn
from tests.cloud.probes.table import Outcome, Probes
from tests.portal import eventually

PROBES = Probes(VOLUME)


def _becomes(c: ServiceCommandColumn, kind: str, name: str, status: str = "available") -> None:
    def look() -> bool:
        found = c.read(*kind.split(), "show", name)["status"]
        assert status.startswith("error") or not found.startswith("error"), found
        return bool(found == status)

    eventually(look, within_s=60, what=f"{kind} {name} is {status}")


def _is_gone(c: ServiceCommandColumn, kind: str, name: str) -> None:
    eventually(lambda: name not in names(c.read(*kind.split(), "list")), what=f"{name} is gone")


@contextlib.contextmanager
def _volume(c: ServiceCommandColumn, end: str, *words: str) -> Iterator[str]:
    """A volume for a while."""
    name = f"{c.own}-{end}"
    size = () if "--snapshot" in words else ("--size", "1")
    c.run_it("volume", "create", *size, *words, name)
    _becomes(c, "volume", name)
    yield name
    c.run_it("volume", "delete", name)
    _is_gone(c, "volume", name)


@PROBES.of("versions")
def _versions(c: ServiceCommandColumn) -> None:
    rows = c.read("versions", "show", "--service", "block-storage", "--status", "CURRENT")
    assert [row["Version"] for row in rows] == ["3.0"]


@PROBES.of("volumes")
def _volumes(c: ServiceCommandColumn) -> None:
    with _volume(c, "one", "--description", "One.") as name:
        c.run_it("volume", "set", "--description", "Two.", name)
        shown = c.read("volume", "show", name)
        assert (shown["description"], shown["size"], shown["status"]) == ("Two.", 1, "available")
        listed = c.read("volume", "list", "--long", "--name", name, "--status", "available")
        assert names(listed) == {name}
        c.run_it("volume", "create", "--source", name, f"{name}-copy")
        _becomes(c, "volume", f"{name}-copy")
        c.run_it("volume", "delete", f"{name}-copy")
        _is_gone(c, "volume", f"{name}-copy")


@PROBES.of("metadata")
def _metadata(c: ServiceCommandColumn) -> None:
    with _volume(c, "metadata", "--property", "a=b") as name:
        c.run_it("volume", "set", "--property", "c=d", name)
        c.run_it("volume", "unset", "--property", "a", name)
        assert c.read("volume", "show", name)["properties"] == {"c": "d"}


@PROBES.of("extend")
def _extend(c: ServiceCommandColumn) -> None:
    with _volume(c, "extend") as name:
        c.run_it("volume", "set", "--size", "2", name)
        _becomes(c, "volume", name)
        assert c.read("volume", "show", name)["size"] == 2


@PROBES.of("read-only, bootable")
def _flags(c: ServiceCommandColumn) -> None:
    with _volume(c, "flags") as name:
        c.run_it("volume", "set", "--bootable", "--read-only", name)
        assert str(c.read("volume", "show", name)["bootable"]).lower() == "true"
        c.run_it("volume", "set", "--non-bootable", "--read-write", name)
        assert str(c.read("volume", "show", name)["bootable"]).lower() == "false"


@PROBES.of("snapshots")
def _snapshots(c: ServiceCommandColumn) -> None:
    with _volume(c, "snapped") as name:
        c.run_it("volume", "snapshot", "create", "--volume", name, name)
        _becomes(c, "volume snapshot", name)
        c.run_it("volume", "snapshot", "set", "--description", "Two.", "--property", "a=b", name)
        shown = c.read("volume", "snapshot", "show", name)
        assert (shown["description"], shown["properties"]) == ("Two.", {"a": "b"})
        with _volume(c, "from-snapshot", "--snapshot", name) as copy:
            assert c.read("volume", "show", copy)["size"] == 1
        c.run_it("volume", "snapshot", "delete", name)
        _is_gone(c, "volume snapshot", name)


@PROBES.of("revert to a snapshot")
def _revert(c: ServiceCommandColumn) -> None:
    with _volume(c, "reverted") as name:
        c.run_it("volume", "snapshot", "create", "--volume", name, name)
        _becomes(c, "volume snapshot", name)
        c.run_it("--os-volume-api-version", "3.40", "volume", "revert", name)
        _becomes(c, "volume", name)
        c.run_it("volume", "snapshot", "delete", name)
        _is_gone(c, "volume snapshot", name)


@PROBES.of("types, extra specs")
def _types(c: ServiceCommandColumn) -> None:
    c.root("volume", "type", "create", "--description", "One.", c.own)
    c.root("volume", "type", "set", "--description", "Two.", c.own)
    assert c.read("volume", "type", "show", c.own)["description"] == "Two."
    assert c.own in names(c.read("volume", "type", "list"))
    c.root("volume", "type", "delete", c.own)


@PROBES.of("type access")
def _access(c: ServiceCommandColumn) -> None:
    name = f"{c.own}-private"
    c.root("volume", "type", "create", "--private", name)
    assert name not in names(c.read("volume", "type", "list"))
    c.root("volume", "type", "set", "--project", "demo", name)
    assert name in names(c.read("volume", "type", "list"))
    c.root("volume", "type", "unset", "--project", "demo", name)
    c.root("volume", "type", "delete", name)


@PROBES.of("default type")
def _default(c: ServiceCommandColumn) -> None:
    assert c.read("volume", "type", "list", "--default")


@PROBES.of("retype")
def _retype(c: ServiceCommandColumn) -> None:
    kind = f"{c.own}-other"
    c.root("volume", "type", "create", kind)
    with _volume(c, "retyped") as name:
        c.run_it("volume", "set", "--type", kind, "--migration-policy", "never", name)
        eventually(lambda: c.read("volume", "show", name)["type"] == kind, what="it is retyped")
    c.root("volume", "type", "delete", kind)


@PROBES.of("transfers")
def _transfers(c: ServiceCommandColumn) -> None:
    name = f"{c.own}-given"
    c.run_it("volume", "create", "--size", "1", name)
    _becomes(c, "volume", name)
    volume = c.read("volume", "show", name)["id"]
    made = c.read("volume", "transfer", "request", "create", "--name", name, name)
    assert name in names(c.read("volume", "transfer", "request", "list"))
    key = ("--auth-key", made["auth_key"], made["id"])
    c.root("volume", "transfer", "request", "accept", *key)
    assert name not in names(c.read("volume", "list"))
    c.root("volume", "delete", volume)


@PROBES.of("attachments")
def _attachments(c: ServiceCommandColumn) -> None:
    assert c.read("--os-volume-api-version", "3.27", "volume", "attachment", "list") == []


@PROBES.of("to and from images")
def _images(c: ServiceCommandColumn) -> None:
    with _volume(c, "from-image", "--image", blink.NAME) as name:
        shown = c.read("volume", "show", name)
        assert str(shown["bootable"]).lower() == "true"
        c.run_it("image", "create", "--volume", name, name)
        _becomes(c, "image", name, "active")
        c.run_it("image", "delete", name)
        _becomes(c, "volume", name)


@PROBES.of("quotas")
def _quotas(c: ServiceCommandColumn) -> None:
    def shown() -> dict[str, int]:
        rows = c.root_read("quota", "show", "--volume", c.own)
        return {row["Resource"]: row["Limit"] for row in rows}

    c.root("project", "create", c.own)
    before = shown()
    c.root("quota", "set", "--volumes", "33", "--gigabytes", "44", c.own)
    assert (shown()["volumes"], shown()["gigabytes"]) == (33, 44)
    c.root("quota", "delete", "--volume", c.own)
    assert shown() == before
    c.root("project", "delete", c.own)


@PROBES.of("limits")
def _limits(c: ServiceCommandColumn) -> None:
    rows = c.read("limits", "show", "--absolute")
    assert "max_total_volumes" in {row["Name"] for row in rows}


@PROBES.of("summary")
def _summary(c: ServiceCommandColumn) -> None:
    found = c.read("--os-volume-api-version", "3.36", "volume", "summary")
    assert {"Total Count", "Total Size"} <= set(found)


@PROBES.of("services")
def _services(c: ServiceCommandColumn) -> None:
    assert {row["State"] for row in c.root_read("volume", "service", "list")} == {"up"}


@PROBES.of("pools")
def _pools(c: ServiceCommandColumn) -> None:
    assert names(c.root_read("volume", "backend", "pool", "list"))


@PROBES.of("availability zones")
def _zones(c: ServiceCommandColumn) -> None:
    rows = c.read("availability", "zone", "list", "--volume")
    assert {row["Zone Status"] for row in rows} == {"available"}


@PROBES.of("messages")
def _messages(c: ServiceCommandColumn) -> None:
    assert isinstance(c.read("--os-volume-api-version", "3.5", "volume", "message", "list"), list)


@PROBES.of("reset state")
def _reset(c: ServiceCommandColumn) -> None:
    with _volume(c, "reset") as name:
        volume = c.read("volume", "show", name)["id"]
        c.root("volume", "set", "--state", "error", volume)
        _becomes(c, "volume", name, "error")
        c.root("volume", "set", "--state", "available", volume)


@PROBES.of("backups")
def _backups(c: ServiceCommandColumn) -> Outcome:
    return absent(c.run_it, "volume", "backup", "list")


@PROBES.of("groups")
def _groups(c: ServiceCommandColumn) -> Outcome:
    return absent(c.run_it, "--os-volume-api-version", "3.13", "volume", "group", "list")


@PROBES.of("consistency groups")
def _consistency(c: ServiceCommandColumn) -> Outcome:
    return absent(c.run_it, "consistency", "group", "list")


@PROBES.of("QoS specs")
def _qos(c: ServiceCommandColumn) -> Outcome:
    return absent(c.root, "volume", "qos", "list")

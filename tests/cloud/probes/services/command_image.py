"""What the `openstack` command is asked of the image service."""

from __future__ import annotations

from pathlib import Path

from tests.cloud.probes.command import names
from tests.cloud.probes.services.absent import absent
from tests.cloud.probes.services.disks import disk
from tests.cloud.probes.services.groups import IMAGE, ServiceCommandColumn
from tests.cloud.probes.table import Outcome, Probes
from tests.portal import eventually

PROBES = Probes(IMAGE)
RAW = ("--disk-format", "raw", "--container-format", "bare")


def _with(c: ServiceCommandColumn) -> tuple[str, ...]:
    """Data for a new image: without a file the command sends what it reads from its input."""
    return ("--file", str(disk(c)), *RAW)


def _status(c: ServiceCommandColumn, name: str) -> str:
    return str(c.read("image", "show", name)["status"])


@PROBES.of("versions, schemas")
def _versions(c: ServiceCommandColumn) -> None:
    rows = c.read("versions", "show", "--service", "image", "--status", "CURRENT")
    assert [row["Version"].split(".")[0] for row in rows] == ["2"]


@PROBES.of("create, upload, download, delete")
def _create(c: ServiceCommandColumn) -> None:
    file, saved = disk(c), Path(c.portal.var, f"{c.own}.saved")
    made = c.read("image", "create", "--file", str(file), *RAW, c.own)
    assert (made["status"], made["size"]) == ("active", file.stat().st_size)
    c.run_it("image", "save", "--file", str(saved), c.own)
    assert saved.read_bytes() == file.read_bytes()
    c.run_it("image", "delete", c.own)
    assert c.own not in names(c.read("image", "list"))


@PROBES.of("properties, tags")
def _properties(c: ServiceCommandColumn) -> None:
    name = f"{c.own}-properties"
    c.run_it("image", "create", *_with(c), "--property", "os_distro=x", "--tag", "one", name)
    c.run_it("image", "set", "--property", "hw_disk_bus=virtio", "--min-ram", "64", name)
    c.run_it("image", "unset", "--property", "os_distro", "--tag", "one", name)
    shown = c.read("image", "show", name)
    assert (shown["properties"]["hw_disk_bus"], shown["min_ram"]) == ("virtio", 64)
    assert ("os_distro" in shown["properties"], shown["tags"]) == (False, [])
    c.run_it("image", "delete", name)


@PROBES.of("lists, filters")
def _lists(c: ServiceCommandColumn) -> None:
    name = f"{c.own}-listed"
    c.run_it("image", "create", *_with(c), "--property", f"probe={name}", "--tag", name, name)
    assert names(c.read("image", "list", "--long", "--property", f"probe={name}")) == {name}
    assert names(c.read("image", "list", "--tag", name, "--status", "active")) == {name}
    assert len(c.read("image", "list", "--sort", "created_at:desc", "--limit", "1")) == 1
    c.run_it("image", "delete", name)


@PROBES.of("visibility, members")
def _members(c: ServiceCommandColumn) -> None:
    name = f"{c.own}-shared"
    made = c.root_read("image", "create", *_with(c), "--shared", name)
    c.root("image", "add", "project", made["id"], "demo")
    assert name not in names(c.read("image", "list", "--shared"))
    c.run_it("image", "set", "--accept", made["id"])
    assert name in names(c.read("image", "list", "--shared"))
    [row] = c.root_read("image", "member", "list", made["id"])
    assert row["Status"] == "accepted"
    c.root("image", "remove", "project", made["id"], "demo")
    c.root("image", "set", "--community", made["id"])
    assert name in names(c.read("image", "list", "--community"))
    c.root("image", "delete", made["id"])


@PROBES.of("deactivate, reactivate")
def _deactivate(c: ServiceCommandColumn) -> None:
    name = f"{c.own}-off"
    c.run_it("image", "create", "--file", str(disk(c)), *RAW, name)
    c.run_it("image", "set", "--deactivate", name)
    assert _status(c, name) == "deactivated"
    c.run_it("image", "set", "--activate", name)
    assert _status(c, name) == "active"
    c.run_it("image", "delete", name)


@PROBES.of("import: glance-direct")
def _direct(c: ServiceCommandColumn) -> None:
    name, file = f"{c.own}-staged", disk(c)
    c.run_it("image", "create", "--import", "--file", str(file), *RAW, name)
    eventually(lambda: _status(c, name) == "active", what=f"{name} is imported")
    assert c.read("image", "show", name)["size"] == file.stat().st_size
    c.run_it("image", "delete", name)


@PROBES.of("stores")
def _stores(c: ServiceCommandColumn) -> Outcome:
    return absent(c.run_it, "image", "stores", "list")


@PROBES.of("metadata definitions")
def _definitions(c: ServiceCommandColumn) -> Outcome:
    return absent(c.run_it, "image", "metadef", "namespace", "list")


@PROBES.of("tasks")
def _tasks(c: ServiceCommandColumn) -> Outcome:
    return absent(c.root, "image", "task", "list")

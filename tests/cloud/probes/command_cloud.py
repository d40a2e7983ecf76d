"""What the `openstack` command is asked beside servers: flavors, limits, hosts."""

from __future__ import annotations

from pathlib import Path

from tests.cloud import blink
from tests.cloud.probes.command import PROBES, CommandColumn, names
from tests.compute_world import PUBLIC_KEY


@PROBES.of("server groups")
def _groups(c: CommandColumn) -> None:
    c.run_it("server", "group", "create", "--policy", "anti-affinity", c.own)
    assert c.own in names(c.read("server", "group", "list"))
    assert c.read("server", "group", "show", c.own)["name"] == c.own
    c.run_it("server", "group", "delete", c.own)


@PROBES.of("flavors")
def _flavors(c: CommandColumn) -> None:
    c.root("flavor", "create", "--ram", "128", "--disk", "2", "--swap", "64", c.own)
    shown = c.root_read("flavor", "show", c.own)
    assert [shown[key] for key in ("ram", "disk", "swap", "vcpus")] == [128, 2, 64, 1]
    assert c.own in names(c.read("flavor", "list", "--long"))
    c.root("flavor", "delete", c.own)


@PROBES.of("flavor access")
def _access(c: CommandColumn) -> None:
    c.root("flavor", "create", "--private", "--ram", "128", c.own)
    assert c.own not in names(c.read("flavor", "list"))
    c.root("flavor", "set", "--project", "demo", c.own)
    assert c.own in names(c.read("flavor", "list", "--all"))
    c.root("flavor", "unset", "--project", "demo", c.own)
    c.root("flavor", "delete", c.own)


@PROBES.of("flavor extra specs")
def _extra_specs(c: CommandColumn) -> None:
    c.root("flavor", "create", "--ram", "128", "--property", "a:b=c", c.own)
    c.root("flavor", "set", "--property", "hw:watchdog_action=reset", c.own)
    c.root("flavor", "unset", "--property", "a:b", c.own)
    shown = c.root_read("flavor", "show", c.own)
    assert shown["properties"] == {"hw:watchdog_action": "reset"}
    c.root("flavor", "delete", c.own)


@PROBES.of("key pairs")
def _key_pairs(c: CommandColumn) -> None:
    file = Path(c.portal.var, f"{c.own}.pub")
    file.write_text(PUBLIC_KEY)
    c.run_it("keypair", "create", "--public-key", str(file), c.own)
    assert c.own in names(c.read("keypair", "list"))
    kept = c.run_it("keypair", "show", "--public-key", c.own)
    assert kept.split()[:2] == PUBLIC_KEY.split()[:2]
    c.run_it("keypair", "delete", c.own)


# With a version the command sends a parameter that 2.75 and later know no more.
@PROBES.of("limits", until="2.74")
def _limits(c: CommandColumn) -> None:
    rows = c.read("limits", "show", "--absolute")
    assert {row["Name"]: row["Value"] for row in rows}["total_instances_used"] >= 1


@PROBES.of("quota sets")
def _quotas(c: CommandColumn) -> None:
    def shown() -> dict[str, int]:
        rows = c.root_read("quota", "show", c.own)
        return {row["Resource"]: row["Limit"] for row in rows}

    c.root("project", "create", c.own)
    before = shown()
    c.root("quota", "set", "--instances", "33", "--ram", "12345", c.own)
    assert (shown()["instances"], shown()["ram"]) == (33, 12345)
    c.root("quota", "delete", "--compute", c.own)
    assert shown() == before
    c.root("project", "delete", c.own)


@PROBES.of("quota classes")
def _classes(c: CommandColumn) -> None:
    c.root("quota", "set", "--class", "--cores", "7", c.own)


@PROBES.of("usage")
def _usage(c: CommandColumn) -> None:
    assert c.root_read("usage", "list")
    assert set(c.read("usage", "show")) >= {"CPU Hours", "RAM MB-Hours", "Servers"}


@PROBES.of("availability zones")
def _zones(c: CommandColumn) -> None:
    rows = c.root_read("availability", "zone", "list", "--long", "--compute")
    assert "nova" in {row["Zone Name"] for row in rows}
    assert c.read("availability", "zone", "list", "--compute")


@PROBES.of("aggregates")
def _aggregates(c: CommandColumn) -> None:
    host = c.shown()["OS-EXT-SRV-ATTR:host"]
    c.root("aggregate", "create", "--property", "ssd=true", c.own)
    c.root("aggregate", "add", "host", c.own, host)
    shown = c.root_read("aggregate", "show", c.own)
    assert (shown["hosts"], shown["properties"]) == ([host], {"ssd": "true"})
    c.root("aggregate", "remove", "host", c.own, host)
    c.root("aggregate", "set", "--name", f"{c.own}-two", c.own)
    c.root("aggregate", "delete", f"{c.own}-two")


@PROBES.of("image pre-cache")
def _precache(c: CommandColumn) -> None:
    c.root("aggregate", "create", f"{c.own}-cache")
    c.root("aggregate", "cache", "image", f"{c.own}-cache", blink.NAME)
    c.root("aggregate", "delete", f"{c.own}-cache")


@PROBES.of("hypervisors")
def _hypervisors(c: CommandColumn) -> None:
    rows = c.root_read("hypervisor", "list", "--long")
    assert {row["State"] for row in rows} == {"up"}
    one = rows[0]["Hypervisor Hostname"]
    assert c.root_read("hypervisor", "show", one)["status"] == "enabled"


@PROBES.of("services")
def _services(c: CommandColumn) -> None:
    rows = c.root_read("compute", "service", "list", "--service", "nova-compute", "--long")
    assert {row["State"] for row in rows} == {"up"}
    # To enable what is enabled changes nothing for the other columns.
    c.root("compute", "service", "set", "--enable", rows[0]["Host"], "nova-compute")

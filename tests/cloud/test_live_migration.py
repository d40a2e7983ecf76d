"""A server moves from host to host while it runs, and its guest hardly notices."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from tests.cloud import hosts
from tests.cloud.conftest import Cloud
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]
ADMIN = "cloudportal-admin"
TICKING = "#!/bin/sh\ni=0\nwhile [ $i -lt 900 ]; do i=$((i+1)); echo tick $i; sleep 1; done\n"
MISSING = 2
SLOW_MIB_S = 3
FAST_MIB_S = 100000


@pytest.mark.long
def test_a_server_moves_while_it_runs_and_what_is_broken_off_leaves_it_where_it_is(empty_cloud):
    first, second, third = (host["name"] for host in empty_cloud.hosts)
    server = ticking_server(empty_cloud, first)
    eventually(lambda: ticks(empty_cloud, server)[3:], within_s=120, what="the guest counts")
    address = hosts.show(empty_cloud, server).addresses

    refused = migrate(empty_cloud, server, "--host", "nowhere", check=False)
    assert "Compute host nowhere could not be found." in refused

    # Slow enough to be met on its way.
    slow_down(empty_cloud, first, server, SLOW_MIB_S)
    migrate(empty_cloud, server)
    under_way = running_migration(empty_cloud, server)
    assert (under_way["source_compute"], under_way["status"]) == (first, "running")
    assert hosts.show(empty_cloud, server).status == "MIGRATING"
    # By its uuid: the command mixes up a number with the server.
    shown = openstack_json(empty_cloud, "server", "migration", "show", server, under_way["uuid"])
    assert shown["Memory Total Bytes"] > shown["Memory Processed Bytes"] > 0
    openstack(empty_cloud, "server", "migration", "abort", server, str(under_way["id"]))
    settles(empty_cloud, server, on=first)
    assert newest_migration(empty_cloud, server)["Status"] == "cancelled"
    assert domains(empty_cloud, under_way["dest_compute"]) == ""

    slow_down(empty_cloud, first, server, FAST_MIB_S)
    migrate(empty_cloud, server, "--host", second, "--wait")
    settles(empty_cloud, server, on=second)
    found = newest_migration(empty_cloud, server)
    assert (found["Status"], found["Dest Compute"]) == ("completed", second)
    assert hosts.show(empty_cloud, server).addresses == address
    is_whole_after(empty_cloud, server)
    eventually(lambda: not domains(empty_cloud, first), what="nothing is on the source")
    found = empty_cloud.portal.managed("integrity")
    assert found.returncode == 0, found.stdout

    # The worker dies in the middle, and the next one sees to it.
    slow_down(empty_cloud, second, server, SLOW_MIB_S)
    migrate(empty_cloud, server, "--host", third)
    running_migration(empty_cloud, server)
    empty_cloud.portal.kill("transfer")
    slow_down(empty_cloud, second, server, FAST_MIB_S)
    empty_cloud.portal.start("transfer")
    settles(empty_cloud, server, on=third)
    is_whole_after(empty_cloud, server)

    slow_down(empty_cloud, third, server, 4 * SLOW_MIB_S)
    migrate(empty_cloud, server, "--host", first)
    under_way = running_migration(empty_cloud, server)
    openstack(empty_cloud, "server", "migration", "force", "complete", server, str(under_way["id"]))
    settles(empty_cloud, server, on=first)
    is_whole_after(empty_cloud, server)

    hosts.delete(empty_cloud, server)
    hosts.wait_gone(empty_cloud, server)
    empty_cloud.slate.assert_clean()


def ticking_server(cloud: Cloud, host: str) -> str:
    """A server whose guest counts the seconds on its console."""
    with hosts.only(cloud, host):
        demo: Any = cloud.portal.connection()
        made = demo.compute.create_server(
            name="ticking",
            image_id=demo.image.find_image("tiny").id,
            flavor_id=demo.compute.find_flavor("m1.tiny").id,
            networks="auto",
            user_data=base64.b64encode(TICKING.encode()).decode(),
            config_drive=True,
        )
        hosts.wait_for_status(cloud, made.id, "ACTIVE")
    return str(made.id)


def ticks(cloud: Cloud, server: str) -> list[int]:
    """What the guest has counted so far."""
    log = cloud.portal.connection().compute.get_server_console_output(server)["output"]
    return [int(number) for number in re.findall(r"^tick (\d+)\s*$", log, re.MULTILINE)]


def is_whole_after(cloud: Cloud, server: str) -> None:
    """The guest goes on counting where it was; at most so many numbers are missing."""
    before = ticks(cloud, server)
    eventually(
        lambda: ticks(cloud, server)[-1] > before[-1] + 1, within_s=60, what="the guest counts on"
    )
    after = ticks(cloud, server)
    assert after == sorted(set(after)), "it counted anew"
    assert after[-1] - after[0] + 1 - len(after) <= MISSING


def openstack(cloud: Cloud, *words: str, check: bool = True) -> str:
    return cloud.portal.openstack(
        "--os-compute-api-version", "2.90", *words, cloud=ADMIN, check=check
    )


def openstack_json(cloud: Cloud, *words: str) -> Any:
    return cloud.portal.openstack_json("--os-compute-api-version", "2.90", *words, cloud=ADMIN)


def migrate(cloud: Cloud, server: str, *words: str, check: bool = True) -> str:
    return openstack(cloud, "server", "migrate", "--live-migration", *words, server, check=check)


def slow_down(cloud: Cloud, host: str, server: str, mib_s: int) -> None:
    """Let the server's memory leave its host no faster than this."""
    words = ("virsh", "migrate-setspeed", f"server-{server}", str(mib_s))
    cloud.lab.run("exec", host, "--", *words)


def running_migration(cloud: Cloud, server: str) -> dict[str, Any]:
    """The live migration that sends memory at this moment."""
    compute = hosts.admin_of(cloud).compute

    def look() -> dict[str, Any] | None:
        answer = compute.get(f"/servers/{server}/migrations", microversion="2.80").json()
        found: list[dict[str, Any]] = answer["migrations"]
        is_sending = found and found[0]["memory_processed_bytes"]
        return found[0] if is_sending else None

    found = eventually(look, within_s=60, what="the migration runs")
    assert found is not None
    return found


def newest_migration(cloud: Cloud, server: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = openstack_json(
        cloud, "server", "migration", "list", "--server", server
    )
    return found[0]


def settles(cloud: Cloud, server: str, *, on: str) -> None:
    """Wait until the server runs on this host, with no task, and nothing is owed any more."""

    def is_so() -> bool:
        found = hosts.show(cloud, server)
        assert found.status in {"ACTIVE", "MIGRATING"}, f"{found.status}: {found.fault}"
        return (found.status, found.compute_host, found.task_state) == ("ACTIVE", on, None)

    eventually(is_so, within_s=90, what=f"the server runs on {on}")
    eventually(lambda: not hosts.debts(cloud), within_s=30, what="nothing is owed")


def domains(cloud: Cloud, host: str) -> str:
    return cloud.lab.run("exec", host, "--", "virsh", "-q", "list", "--all", "--name").strip()

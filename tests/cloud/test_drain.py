"""A host is emptied by a plan while its guests run on; pauses and blockers are heeded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cloud import hosts
from tests.cloud.blink import NAME, UP
from tests.cloud.conftest import Cloud
from tests.cloud.test_evacuate import console
from tests.cloud.test_live_migration import domains
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]
TURNS = """
from operations.models import Timer
print(Timer.objects.get(pk="maintenance.drains").due_at.timestamp())
"""
MAINTENANCE = """
import json
from hypervisors.models import Hypervisor
print(json.dumps([h.condition for h in Hypervisor.objects.filter(name=%r)]))
"""


def test_a_host_is_emptied_as_planned_with_a_pause_and_a_blocker(empty_cloud):
    cloud, name = empty_cloud, empty_cloud.hosts[0]["name"]
    one, two, off, bound = hosts.create_on(cloud, name, 4, image=NAME)
    volume = cloud.portal.openstack_json("volume", "create", "--size", "1", "kept")["id"]
    eventually(
        lambda: cloud.portal.openstack_json("volume", "show", volume)["status"] == "available",
        within_s=60,
        what="the volume is there",
    )
    cloud.portal.openstack("server", "stop", off)
    eventually(lambda: hosts.show(cloud, off).status == "SHUTOFF", what="it is off")
    cloud.portal.openstack("server", "add", "volume", bound, volume)
    for server in (one, two, bound):
        eventually(lambda s=server: UP in console(cloud, s), within_s=60, what="the guest is up")

    plan = drain(cloud, name, "--plan")
    assert plan["state"] == "planned"
    ways = {each["id"]: (each["way"], each["state"]) for each in plan["items"]}
    assert ways == {
        one: ("live", "waiting"),
        two: ("live", "waiting"),
        off: ("cold", "waiting"),
        bound: ("none", "blocked"),
    }
    items = {each["id"]: each for each in plan["items"]}
    assert volume in items[bound]["reason"]
    assert {items[each]["destination"] for each in (one, two, off)} <= others(cloud, name)
    assert hosts.services(cloud)[name]["status"] == "enabled"

    drain(cloud, name, "--start")
    assert hosts.services(cloud)[name]["disabled_reason"].startswith("It is being drained")
    eventually(
        lambda: states(cloud, name, "moving", "moved"), within_s=60, pause_s=0.1,
        what="a server leaves",
    )  # fmt: skip
    drain(cloud, name, "--pause")
    eventually(lambda: not states(cloud, name, "moving"), within_s=90, what="its move ends")
    moved = states(cloud, name, "moved")
    assert moved
    assert len(moved) < 3, "the pause came when all had left"
    seen = hosts.ask(cloud, TURNS)
    eventually(lambda: hosts.ask(cloud, TURNS) > seen + 6, what="two more turns are over")
    assert states(cloud, name, "moved") == moved
    assert not states(cloud, name, "moving")

    drain(cloud, name, "--resume")
    eventually(
        lambda: states(cloud, name, "moved") == {one, two, off},
        within_s=120,
        what="all that can have left",
    )
    assert states(cloud, name, "blocked") == {bound}
    assert domains(cloud, name) == f"server-{bound}"
    cloud.portal.openstack("server", "remove", "volume", bound, volume)
    eventually(lambda: drain(cloud, name)["state"] == "done", within_s=120, what="it is done")

    assert domains(cloud, name) == ""
    assert hosts.ask(cloud, MAINTENANCE % name) == ["maintenance"]
    for server in (one, two, bound):
        found = hosts.show(cloud, server)
        assert (found.status, found.power_state, found.task_state) == ("ACTIVE", 1, None)
        assert found.compute_host in others(cloud, name)
        # It was not started anew.
        assert console(cloud, server).count(UP) == 1
    assert hosts.show(cloud, off).status == "SHUTOFF"
    assert hosts.show(cloud, off).compute_host in others(cloud, name)
    found = cloud.portal.managed("integrity")
    assert found.returncode == 0, found.stdout

    end_maintenance(cloud, name)
    hosts.switch(cloud, name, "enabled")
    cloud.portal.openstack("volume", "delete", volume)


def drain(cloud: Cloud, name: str, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        cloud.portal.manage("hypervisor", "drain", name, *words, "--json")
    )
    return found


def states(cloud: Cloud, name: str, *wanted: str) -> set[str]:
    """The servers of the plan that are that far."""
    items = drain(cloud, name)["items"]
    failed = [each for each in items if each["state"] == "failed"]
    assert not failed, failed
    return {each["id"] for each in items if each["state"] in wanted}


def others(cloud: Cloud, name: str) -> set[str]:
    return {host["name"] for host in cloud.hosts if host["name"] != name}


def end_maintenance(cloud: Cloud, name: str) -> None:
    answer = hosts.admin_of(cloud).compute.put(
        f"/os-hosts/{name}", json={"maintenance_mode": "disable"}, microversion="2.1"
    )
    assert answer.status_code == 200, answer.text

"""A host is emptied by a plan while its guests run on; pauses and blockers are heeded."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from functools import partial
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
CONDITION = """
import json
from hypervisors.models import Hypervisor
print(json.dumps(Hypervisor.objects.get(name=%r).condition))
"""
VOLUME = "kept-here"


def is_up(cloud: Cloud, server: str) -> bool:
    return UP in console(cloud, server)


@pytest.mark.long
def test_a_host_is_emptied_as_planned_with_a_pause_and_a_blocker(empty_cloud):
    cloud, name = empty_cloud, empty_cloud.hosts[0]["name"]
    *running, off = hosts.create_on(cloud, name, 4, image=NAME)
    with in_service_again(cloud, name), volume_of(cloud, off):
        for server in running:
            eventually(partial(is_up, cloud, server), within_s=60, what="it is up")

        plan = drain(cloud, name, "--plan")
        items = {each["id"]: each for each in plan["items"]}
        assert plan["state"] == "planned"
        for server in running:
            assert (items[server]["way"], items[server]["state"]) == ("live", "waiting")
            assert items[server]["destination"] in others(cloud, name)
            assert items[server]["is_checked"]
        assert (items[off]["way"], items[off]["state"]) == ("none", "blocked")
        assert "It has volumes, which lie on this host" in items[off]["reason"]
        assert hosts.services(cloud)[name]["status"] == "enabled"

        drain(cloud, name, "--start")
        reason = hosts.services(cloud)[name]["disabled_reason"]
        assert reason.startswith("It is being drained")
        eventually(
            lambda: that_are(cloud, name, "moving", "moved"),
            within_s=60,
            what="a server leaves",
            pause_s=0.1,
        )
        drain(cloud, name, "--pause")
        eventually(
            lambda: not that_are(cloud, name, "moving"), within_s=90, what="its move is over"
        )
        moved = that_are(cloud, name, "moved")
        assert moved
        assert len(moved) < len(running), "the pause came too late"
        seen = hosts.ask(cloud, TURNS)
        eventually(lambda: hosts.ask(cloud, TURNS) > seen + 6, what="two more turns are over")
        assert that_are(cloud, name, "moving", "moved") == moved

        drain(cloud, name, "--resume")
        eventually(
            lambda: that_are(cloud, name, "moved") == set(running),
            within_s=120,
            what="all that can have left",
        )
        assert that_are(cloud, name, "blocked") == {off}
        assert drain(cloud, name)["state"] == "running"
        cloud.portal.openstack("server", "remove", "volume", off, VOLUME)
        eventually(lambda: drain(cloud, name)["state"] == "done", within_s=150, what="it is done")

        assert domains(cloud, name) == ""
        assert hosts.ask(cloud, CONDITION % name) == "maintenance"
        for server in running:
            found = hosts.show(cloud, server)
            assert (found.status, found.power_state, found.task_state) == ("ACTIVE", 1, None)
            assert found.compute_host in others(cloud, name)
            # It runs on as it was, and was not started anew.
            assert console(cloud, server).count(UP) == 1
        assert hosts.show(cloud, off).status == "SHUTOFF"
        assert hosts.show(cloud, off).compute_host in others(cloud, name)
        found = cloud.portal.managed("integrity")
        assert found.returncode == 0, found.stdout


@contextlib.contextmanager
def in_service_again(cloud: Cloud, name: str) -> Iterator[None]:
    """The host takes servers as before, however far its plan has come."""
    try:
        yield
    finally:
        cloud.portal.managed("hypervisor", "drain", name, "--cancel")
        answer = hosts.admin_of(cloud).compute.put(
            f"/os-hosts/{name}", json={"maintenance_mode": "disable"}, microversion="2.1"
        )
        assert answer.status_code == 200, answer.text
        hosts.switch(cloud, name, "enabled")


@contextlib.contextmanager
def volume_of(cloud: Cloud, server: str) -> Iterator[None]:
    """The server is off, and has a volume, until the body takes that away."""
    openstack = cloud.portal.openstack
    openstack("volume", "create", "--size", "1", VOLUME)
    openstack("server", "stop", server)
    eventually(lambda: hosts.show(cloud, server).status == "SHUTOFF", what="it is off")
    openstack("server", "add", "volume", server, VOLUME)
    eventually(lambda: volume_is(cloud, "in-use"), within_s=60, what="the volume is attached")
    yield
    eventually(lambda: volume_is(cloud, "available"), within_s=60, what="the volume is free")
    openstack("volume", "delete", VOLUME)


def volume_is(cloud: Cloud, status: str) -> bool:
    return bool(cloud.portal.openstack_json("volume", "show", VOLUME)["status"] == status)


def drain(cloud: Cloud, name: str, *words: str) -> dict[str, Any]:
    """What the command says of the plan, after it was asked for something or not."""
    said = cloud.portal.manage("hypervisor", "drain", name, *words, "--json")
    found: dict[str, Any] = json.loads(said)
    return found


def that_are(cloud: Cloud, name: str, *wanted: str) -> set[str]:
    """The servers of the plan that are that far."""
    return {each["id"] for each in drain(cloud, name)["items"] if each["state"] in wanted}


def others(cloud: Cloud, name: str) -> set[str]:
    return {host["name"] for host in cloud.hosts if host["name"] != name}

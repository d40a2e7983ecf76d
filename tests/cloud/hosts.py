"""What tests do to hosts and servers of the shared cloud: choose a host, kill it, ask around."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator
from typing import Any

from tests.cloud.conftest import Cloud
from tests.portal import eventually

SERVICES = "2.53"
# A host is looked at every 3 s, and one that died is given up after the connection's time-out.
NOTICED_S = 60.0


def admin_of(cloud: Cloud) -> Any:
    """An administrator's connection."""
    return cloud.portal.connection("cloudportal-admin")


def ask(cloud: Cloud, program: str) -> Any:
    """Run a program in the portal's own environment; the JSON of its last line."""
    answer = cloud.portal.manage("shell", "-v", "0", "-c", program)
    return json.loads(answer.strip().splitlines()[-1])


def services(cloud: Cloud) -> dict[str, dict[str, Any]]:
    """The hosts as the administrator's list of services shows them, by name."""
    answer = admin_of(cloud).compute.get("/os-services?binary=nova-compute", microversion=SERVICES)
    assert answer.status_code == 200, answer.text
    return {each["host"]: each for each in answer.json()["services"]}


def switch(cloud: Cloud, name: str, status: str) -> None:
    """Enable or disable a host."""
    number = services(cloud)[name]["id"]
    answer = admin_of(cloud).compute.put(
        f"/os-services/{number}", json={"status": status}, microversion=SERVICES
    )
    assert answer.status_code == 200, answer.text


@contextlib.contextmanager
def only(cloud: Cloud, name: str) -> Iterator[None]:
    """New servers go to this host alone while the body runs."""
    others = [host["name"] for host in cloud.hosts if host["name"] != name]
    try:
        for other in others:
            switch(cloud, other, "disabled")
        yield
    finally:
        for other in others:
            switch(cloud, other, "enabled")


def create(cloud: Cloud, *, image: str = "tiny", name: str = "") -> Any:
    """Ask for a small server as a user does."""
    demo: Any = cloud.portal.connection()
    return demo.compute.create_server(
        name=name or f"down-{uuid.uuid4().hex[:8]}",
        image_id=demo.image.find_image(image).id,
        flavor_id=demo.compute.find_flavor("m1.tiny").id,
        networks="auto",
    )


def create_on(cloud: Cloud, host: str, count: int = 1, image: str = "tiny") -> list[str]:
    """Servers that are ACTIVE on a host; their ids."""
    with only(cloud, host):
        made = [create(cloud, image=image).id for _ in range(count)]
        for server in made:
            wait_for_status(cloud, server, "ACTIVE")
    assert {show(cloud, server).compute_host for server in made} == {host}
    return made


def show(cloud: Cloud, server: str) -> Any:
    """The server as an administrator sees it."""
    return admin_of(cloud).compute.get_server(server)


def wait_for_status(cloud: Cloud, server: str, status: str, within_s: float = 120) -> Any:
    """Wait until the server is that; an ERROR on the way ends the wait."""
    admin = admin_of(cloud)

    def look() -> Any:
        found = admin.compute.get_server(server)
        assert found.status in {status, "BUILD", "REBOOT", "HARD_REBOOT"} or status == "ERROR", (
            f"{found.status}: {found.fault}"
        )
        return found if found.status == status else None

    return eventually(look, within_s=within_s, what=f"the server is {status}")


def is_gone(cloud: Cloud, server: str) -> bool:
    """Whether the user sees the server no more."""
    return cloud.portal.connection().compute.find_server(server, ignore_missing=True) is None


def delete(cloud: Cloud, server: str) -> None:
    """Ask for the delete as the user."""
    cloud.portal.connection().compute.delete_server(server, ignore_missing=False)


def wait_gone(cloud: Cloud, server: str, within_s: float = 120) -> None:
    """Wait until the user sees the server no more."""
    demo = cloud.portal.connection()
    eventually(
        lambda: demo.compute.find_server(server, ignore_missing=True) is None,
        within_s=within_s,
        what="the server is gone",
    )


def wait_state(cloud: Cloud, name: str, state: str) -> None:
    """Wait until the portal has noticed that a host is up or down."""
    eventually(
        lambda: services(cloud)[name]["state"] == state,
        within_s=NOTICED_S,
        what=f"{name} is {state}",
    )


@contextlib.contextmanager
def dead(cloud: Cloud, name: str) -> Iterator[None]:
    """The host's power is cut; it is back, and seen to be, when the body is left."""
    cloud.lab.run("kill-host", name)
    try:
        yield
    finally:
        revive(cloud, name)


def revive(cloud: Cloud, name: str) -> None:
    """Switch the host on and wait until the portal has noticed; one that runs is left alone."""
    cloud.lab.run("start-host", name)
    wait_state(cloud, name, "up")


DEBTS = """
import json
from operations.models import UNFINISHED, Operation
found = Operation.objects.filter(kind="server.cleanup", state__in=UNFINISHED)
print(json.dumps([[each.params["server"], each.params["hypervisor"]] for each in found]))
"""


def debts(cloud: Cloud) -> list[str]:
    """The servers of which something is still to be taken off a host."""
    return [server for server, _ in ask(cloud, DEBTS)]


def usage(cloud: Cloud) -> dict[str, int]:
    """What the user's project uses, by its own limits page."""
    limits = cloud.portal.connection().compute.get_limits().absolute
    return {"instances": limits.instances_used, "cores": limits.total_cores_used}

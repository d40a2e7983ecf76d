"""Whatever is damaged is found within a minute, repaired, and the second run finds nothing."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.cloud import blink, damage, hosts
from tests.cloud.scene import (
    VIRSH,
    Expected,
    Scene,
    as_text,
    facts_of,
    findings_since,
    photograph,
    processes,
)
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]
SEED = int(os.environ.get("CLOUDPORTAL_SEED", "1"))
FOUND_S = 60.0
REPAIRED_S = 120.0
SERVERS = 9


# The rules of groups follow the servers that come and go, host by host.
AT_REST = """
from networks.models import GroupChange
from networks.spread import stale_ports
from operations.models import UNFINISHED, Operation
rows = (Operation.objects.filter(state__in=UNFINISHED), GroupChange.objects.all(), stale_ports())
print(not any(each.exists() for each in rows))
"""


def is_at_rest(cloud) -> bool:
    """Whether nothing is under way or due."""
    return "True" in cloud.portal.manage("shell", "-v", "0", "-c", AT_REST)


def integrity(cloud, *words: str) -> tuple[int, dict[str, Any]]:
    """Run the command; its status and its document."""
    done = cloud.portal.managed("integrity", "--json", *words)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.fixture
def servers(empty_cloud):
    """Servers on all hosts, and one that was deleted; they are not asked to boot."""
    admin = hosts.admin_of(empty_cloud)
    flavor = admin.compute.create_flavor(name="m1.nano-damage", ram=128, vcpus=1, disk=1)
    demo = empty_cloud.portal.connection()
    image = demo.image.find_image(blink.NAME)
    made = [
        demo.compute.create_server(
            name=f"harmed-{number}", image_id=image.id, flavor_id=flavor.id, networks="auto"
        ).id
        for number in range(SERVERS)
    ]
    for server in made:
        hosts.wait_for_status(empty_cloud, server, "ACTIVE", within_s=240)
    hosts.delete(empty_cloud, made[0])
    hosts.wait_gone(empty_cloud, made[0])
    yield made[1:]
    admin.compute.delete_flavor(flavor.id)


@pytest.fixture
def scene(empty_cloud, servers, tmp_path):
    """What is to be harmed; foreign things are removed afterwards."""
    eventually(lambda: is_at_rest(empty_cloud), within_s=90, what="nothing is under way")
    eventually(lambda: integrity(empty_cloud)[0] == 0, within_s=90, what="all is well at first")
    found = Scene(empty_cloud, tmp_path, SEED, facts_of(empty_cloud))
    for harm in damage.KINDS:
        harm(found)
    yield found
    for host, thing in found.foreign:
        what, _, name = thing.partition(" ")
        pool = found.facts["pools"][host]
        words = ["undefine", name] if what == "domain" else ["vol-delete", name, "--pool", pool]
        empty_cloud.lab.run("exec", host, "--", *VIRSH.split(), *words)


def test_every_kind_of_damage_is_found_and_repaired(empty_cloud, scene):
    before = photograph(empty_cloud, scene.facts)
    running = processes(empty_cloud, scene.facts)
    assert len(damage.KINDS) >= 12
    began = datetime.now(UTC)
    scene.do()
    done = time.time()

    found = wait_until_found(empty_cloud, scene, began)
    late = [each for each in found if each["first_seen"] - done > FOUND_S]
    assert not late, f"seed {SEED}: {as_text(late)}"
    wait_until_safe_ones_are_repaired(empty_cloud, began)
    status, said = integrity(empty_cloud, "--repair")
    assert (status, said["findings"]) == (0, []), f"seed {SEED}: {as_text(said)}"

    status, said = integrity(empty_cloud)

    assert (status, said["findings"]) == (0, []), f"seed {SEED}: {as_text(said)}"
    noted = {each["kind"] for each in said["notes"]}
    assert {"domain_foreign", "volume_foreign"} <= noted
    assert_hosts_are_as_before(empty_cloud, scene, before)
    assert_guests_went_on(empty_cloud, scene, running)
    admin = hosts.admin_of(empty_cloud)
    states = {server: admin.compute.get_server(server).status for server in scene.facts["servers"]}
    assert set(states.values()) == {"ACTIVE"}, f"seed {SEED}: {states}"


def wait_until_found(cloud, scene, began: datetime) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    def missing() -> list[Expected]:
        found[:] = findings_since(cloud, began.isoformat())
        return [each for each in scene.expected if not any(map(each.matches, found))]

    try:
        eventually(lambda: not missing(), within_s=FOUND_S + 15, what="all damage is found")
    except TimeoutError as error:
        raise AssertionError(
            f"seed {SEED}: not found: {missing()}\nfound: {as_text(found)}"
        ) from error
    return found


def wait_until_safe_ones_are_repaired(cloud, began: datetime) -> None:
    last: list[dict[str, Any]] = []

    def left() -> list[dict[str, Any]]:
        found = findings_since(cloud, began.isoformat())
        last[:] = [
            each for each in found if each["policy"] == "automatic" and each["repaired"] is None
        ]
        return last

    try:
        eventually(lambda: not left(), within_s=REPAIRED_S, what="what is safe is repaired")
    except TimeoutError as error:
        raise AssertionError(f"seed {SEED}: not repaired: {as_text(last)}") from error


def assert_hosts_are_as_before(cloud, scene, before: dict[str, str]) -> None:
    after = photograph(cloud, scene.facts)
    for host, thing in scene.foreign:
        assert f"{host} {thing}" in after, f"seed {SEED}: {thing} was touched"
        del after[f"{host} {thing}"]
    assert sorted(after) == sorted(before), f"seed {SEED}"
    changed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    assert not changed, f"seed {SEED}: {as_text(changed)}"


def assert_guests_went_on(cloud, scene, running: dict[str, str]) -> None:
    now = processes(cloud, scene.facts)
    assert set(now) == set(running), f"seed {SEED}"
    other = {server for server in running if now[server] != running[server]}
    assert other == scene.interrupted, f"seed {SEED}"


def test_a_guest_that_was_switched_off_by_hand_is_seen_to_be_off(empty_cloud):
    server = hosts.create(empty_cloud, image=blink.NAME).id
    host = hosts.wait_for_status(empty_cloud, server, "ACTIVE").compute_host

    empty_cloud.lab.run("exec", host, "--", *VIRSH.split(), "destroy", f"server-{server}")

    admin = hosts.admin_of(empty_cloud)
    eventually(
        lambda: admin.compute.get_server(server).status == "SHUTOFF",
        within_s=FOUND_S,
        what="the server is seen to be off",
    )
    assert admin.compute.get_server(server).power_state == 4
    eventually(lambda: integrity(empty_cloud)[0] == 0, within_s=60, what="that is all there is")

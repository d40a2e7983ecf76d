"""A store that two hosts have: servers go between them without a copy, and keep what they wrote."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud import hosts
from tests.cloud.conftest import Cloud
from tests.cloud.test_live_migration import domains, newest_migration, openstack
from tests.cloud.test_resize import ADMIN, MARKER, log, says, settles, waits
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire, pytest.mark.long]

POOL = "shared"
FORGET = """
from hypervisors.models import StoragePool
StoragePool.objects.filter(name="shared").delete()
print("{}")
"""


@pytest.fixture
def folder(empty_cloud) -> Iterator[Path]:
    """A folder that all simulated hosts see, as if a file server had it; two have it as a pool."""
    path = Path(f"/var/lib/cp-shared-{uuid.uuid4().hex[:8]}")
    pair = [host["name"] for host in empty_cloud.hosts[:2]]
    said = [
        empty_cloud.portal.manage("hypervisor", "pool", name, POOL, "--path", str(path))
        for name in pair
    ]
    assert f"It has the same files as on {pair[0]}." in said[1]
    yield path
    hosts.ask(empty_cloud, FORGET)
    for name in pair:
        for verb in ("pool-destroy", "pool-undefine"):
            empty_cloud.lab.run("exec", name, "--", "virsh", verb, POOL)
    shutil.rmtree(path)


def test_a_server_moves_without_a_copy_and_an_evacuation_keeps_its_disk(
    empty_cloud, folder, tmp_path
):
    cloud, portal = empty_cloud, empty_cloud.portal
    script = tmp_path / "marker.sh"
    script.write_text(MARKER)
    portal.openstack(
        *("server", "create", "--image", "tiny", "--flavor", "m1.tiny", "--hint"),
        *(f"cloudportal:store_id={POOL}", "--user-data", str(script), "--wait", "sharer"),
    )
    server = portal.openstack_json("server", "show", "sharer")["id"]
    first = hosts.show(cloud, server).compute_host
    second = next(each["name"] for each in cloud.hosts[:2] if each["name"] != first)
    says(cloud, server, "marker: boot 1")
    made = files(folder, server)
    assert "-root" in made

    openstack(cloud, "server", "migrate", "--live-migration", "--wait", server)
    moved = newest_migration(cloud, server)
    assert (moved["Status"], moved["Dest Compute"]) == ("completed", second)
    eventually(lambda: not domains(cloud, first), what="nothing runs on the source")
    eventually(lambda: not hosts.debts(cloud), within_s=60, what="the source is rid of it")
    assert files(folder, server) == made
    assert copied_bytes(cloud, server) == 0
    checked = portal.managed("integrity")
    assert checked.returncode == 0, checked.stdout
    # What was there before is there, and it can still write.
    portal.openstack("server", "reboot", "--hard", "--wait", server)
    says(cloud, server, "marker: boot 2")

    with hosts.dead(cloud, second):
        hosts.wait_state(cloud, second, "down")
        openstack(cloud, "server", "evacuate", server)
        says(cloud, server, "marker: boot 3")
        assert hosts.show(cloud, server).compute_host == first
    eventually(lambda: not hosts.debts(cloud), within_s=60, what="the debt is paid")
    assert files(folder, server) == made
    assert domains(cloud, second) == ""

    portal.openstack("server", "delete", "--wait", server)
    assert files(folder, server) == set()


@pytest.mark.long
def test_a_cold_migration_keeps_the_disk_beside_for_the_way_back(empty_cloud, folder, tmp_path):
    cloud, portal = empty_cloud, empty_cloud.portal
    script = tmp_path / "marker.sh"
    script.write_text(MARKER)
    portal.openstack(
        *("server", "create", "--image", "tiny", "--flavor", "m1.tiny", "--hint"),
        *(f"cloudportal:store_id={POOL}", "--user-data", str(script), "--wait", "mover"),
    )
    server = portal.openstack_json("server", "show", "mover")["id"]
    first = hosts.show(cloud, server).compute_host
    says(cloud, server, "marker: boot 1")
    made = files(folder, server)

    portal.openstack("server", "migrate", server, cloud=ADMIN)
    second = waits(cloud, server)
    assert second != first
    says(cloud, server, "marker: boot 2")
    assert "-before-root" in files(folder, server)
    portal.openstack("server", "resize", "revert", server)
    settles(cloud, server, flavor="m1.tiny", host=first)
    # The boot elsewhere is not on the disk that was kept.
    eventually(
        lambda: log(cloud, server).count("marker: boot 2") == 1, within_s=120, what="boot 2, here"
    )
    eventually(lambda: not hosts.debts(cloud), within_s=60, what="the other host is rid of it")
    assert files(folder, server) == made

    portal.openstack("server", "migrate", server, cloud=ADMIN)
    assert waits(cloud, server) == second
    says(cloud, server, "marker: boot 3")
    portal.openstack("server", "resize", "confirm", server)
    settles(cloud, server, flavor="m1.tiny", host=second)
    assert files(folder, server) == made
    portal.openstack("server", "delete", "--wait", server)
    assert files(folder, server) == set()


def files(folder: Path, server: str) -> set[str]:
    return {each.name.removeprefix(server) for each in folder.iterdir() if server in each.name}


def copied_bytes(cloud: Cloud, server: str) -> int:
    program = (
        "import json; from servers.models import Migration;"
        f"print(json.dumps(Migration.objects.filter(server_id='{server}')"
        ".latest('created_at').disk_total_bytes))"
    )
    return int(hosts.ask(cloud, program))

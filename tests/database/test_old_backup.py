"""An old backup is restored: what the hosts have is found again, and nothing is interrupted."""

from __future__ import annotations

import subprocess
from functools import partial

import pytest

from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]


def create(connection, name: str) -> str:
    server = connection.compute.create_server(
        name=name,
        image_id=connection.image.find_image("tiny").id,
        flavor_id=connection.compute.find_flavor("m1.tiny").id,
        networks="auto",
    )
    eventually(partial(is_active, connection, server.id), within_s=120, what=f"{name} is active")
    return str(server.id)


def is_active(connection, server_id: str) -> bool:
    return bool(connection.compute.get_server(server_id).status == "ACTIVE")


def servers(connection) -> dict[str, str]:
    return {server.name: server.status for server in connection.compute.servers()}


def hosts_are_up(portal) -> bool:
    found = portal.connection("cloudportal-admin").compute.hypervisors(details=True)
    return all(each.state == "up" for each in found)


def addresses(connection, server_id: str) -> set[str]:
    found = connection.compute.get_server(server_id).addresses
    return {each["addr"] for network in found.values() for each in network}


def processes_of(server_id: str) -> set[int]:
    """QEMU's processes of a guest; the simulated hosts have no process numbers of their own."""
    found = subprocess.run(
        ["pgrep", "-f", f"qemu-system.*{server_id}"], capture_output=True, text=True, check=False
    )
    return {int(word) for word in found.stdout.split()}


def test_an_old_backup_converges_with_what_has_happened_since(empty_site):
    portal = empty_site.portal
    demo = portal.connection()
    file = portal.var / "old.tar"
    kept, gone = create(demo, "kept"), create(demo, "gone")
    portal.manage("backup", str(file), "--images")
    later = create(demo, "later")
    address = addresses(demo, later)
    demo.compute.delete_server(gone)
    eventually(lambda: "gone" not in servers(demo), within_s=120, what="it is deleted")
    guests = {kept: processes_of(kept), later: processes_of(later)}
    assert all(guests.values())

    portal.stop()
    portal.manage("restore", str(file), "--replace")
    portal.start_all()
    eventually(partial(hosts_are_up, portal), within_s=60, what="the hosts have been looked at")
    portal.manage("integrity", "--repair")

    demo = portal.connection()
    eventually(partial(is_active, demo, kept), within_s=60, what="what was there is there")
    # Made after the backup: back, with its own address.
    eventually(partial(is_active, demo, later), within_s=60, what="what came later is there")
    assert addresses(demo, later) == address
    # Deleted after the backup: nobody claims that it runs.
    assert servers(demo).get("gone") in (None, "ERROR", "SHUTOFF")
    # And no guest was touched: the same processes run.
    assert {server: processes_of(server) for server in guests} == guests
    # Nothing is left to be found, and what is made now meets no one.
    portal.manage("integrity")
    fresh = create(demo, "fresh")
    assert not addresses(demo, fresh) & (address | addresses(demo, kept))

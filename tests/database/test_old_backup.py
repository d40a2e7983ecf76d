"""An old backup is restored: what the hosts have is found again, and nothing is interrupted."""

from __future__ import annotations

import subprocess
from functools import partial

import pytest

from tests.cloud import blink
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]


def ask_for(connection, name: str) -> str:
    server = connection.compute.create_server(
        name=name,
        image_id=connection.image.find_image(blink.NAME).id,
        flavor_id=connection.compute.find_flavor("m1.tiny").id,
        networks="auto",
    )
    return str(server.id)


def wait_active(connection, server_id: str) -> None:
    eventually(partial(is_active, connection, server_id), within_s=120, what="it is active")


def create(connection, name: str) -> str:
    server = ask_for(connection, name)
    wait_active(connection, server)
    return server


def is_active(connection, server_id: str) -> bool:
    found = connection.compute.find_server(server_id)
    return found is not None and bool(found.status == "ACTIVE")


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


@pytest.mark.long
def test_an_old_backup_converges_with_what_has_happened_since(empty_site):
    portal = empty_site.portal
    demo = portal.connection()
    file = portal.var / "old.tar"
    kept, gone = create(demo, "kept"), create(demo, "gone")
    # One is just being built when the backup is taken.
    portal.kill("worker")
    unfinished = ask_for(demo, "unfinished")
    portal.manage("backup", str(file), "--images")
    portal.start("worker")
    wait_active(demo, unfinished)
    later = create(demo, "later")
    address = addresses(demo, later)
    demo.compute.delete_server(gone)
    eventually(lambda: "gone" not in servers(demo), within_s=120, what="it is deleted")
    guests = {server: processes_of(server) for server in (kept, unfinished, later)}
    assert all(guests.values())

    portal.stop()
    portal.manage("restore", str(file), "--replace")
    portal.start_all()
    eventually(partial(hosts_are_up, portal), within_s=60, what="the hosts have been looked at")
    portal.manage("integrity", "--repair")

    demo = portal.connection()
    wait_active(demo, kept)
    # Made after the backup, or finished since: back, with its own address.
    wait_active(demo, unfinished)
    wait_active(demo, later)
    assert addresses(demo, later) == address
    # Deleted after the backup: nobody claims that it runs.
    assert servers(demo).get("gone") in (None, "ERROR", "SHUTOFF")
    # And no guest was touched: the same processes run.
    assert {server: processes_of(server) for server in guests} == guests
    # Nothing is left to be found, and what is made now meets no one.
    portal.manage("integrity")
    fresh = create(demo, "fresh")
    assert not addresses(demo, fresh) & (address | addresses(demo, kept))

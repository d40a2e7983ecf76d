"""Servers that move while they are off: what their guests wrote goes with them, or back."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cloud import hosts
from tests.cloud.conftest import Cloud
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]

ADMIN = "cloudportal-admin"
# Counts its boots on the disk, and says so at each.
MARKER = r"""#!/bin/sh
cat >/usr/lib/tiny/marker <<'END'
#!/bin/sh
echo x >>/boots
sync
echo "marker: boot $(wc -l </boots)" >/dev/console
END
chmod 700 /usr/lib/tiny/marker
echo '::once:/usr/lib/tiny/marker' >>/etc/inittab
/usr/lib/tiny/marker
"""


@pytest.fixture
def flavor(empty_cloud) -> Iterator[str]:
    name = f"bigger-{uuid.uuid4().hex[:6]}"
    size = ("--vcpus", "1", "--ram", "320", "--disk", "2", "--swap", "64")
    empty_cloud.portal.openstack("flavor", "create", *size, name, cloud=ADMIN)
    yield name
    empty_cloud.portal.openstack("flavor", "delete", name, cloud=ADMIN)


@pytest.mark.long
def test_a_server_is_resized_confirmed_reverted_and_migrated(empty_cloud, flavor, tmp_path):
    cloud, portal = empty_cloud, empty_cloud.portal
    script = tmp_path / "marker.sh"
    script.write_text(MARKER)
    name = f"mover-{uuid.uuid4().hex[:6]}"
    portal.openstack(
        *("server", "create", "--image", "tiny", "--flavor", "m1.tiny"),
        *("--user-data", str(script), "--wait", name),
    )
    server = portal.openstack_json("server", "show", name)["id"]
    first = hosts.show(cloud, server).compute_host
    says(cloud, server, "marker: boot 1")

    portal.openstack("server", "resize", "--flavor", flavor, server)
    second = waits(cloud, server)
    assert second != first
    says(cloud, server, "marker: boot 2")
    # Of the 2 GiB, what its boot files leave.
    says(cloud, server, "root disk is 2023 MiB")
    says(cloud, server, "swap on")
    assert domain(cloud, first, server) == "shut off"
    portal.openstack("server", "resize", "confirm", server)
    settles(cloud, server, flavor=flavor, host=second)
    eventually(lambda: left(cloud, first, server) == [], what="the source is empty")

    portal.openstack("server", "migrate", server, cloud=ADMIN)
    third = waits(cloud, server)
    assert third != second
    says(cloud, server, "marker: boot 3")
    portal.openstack("server", "resize", "revert", server)
    settles(cloud, server, flavor=flavor, host=second)
    # It was the second boot whose disk was kept.
    eventually(lambda: log(cloud, server).count("marker: boot 3") == 1, within_s=120, what="boot 3")
    eventually(lambda: left(cloud, third, server) == [], what="the other host is empty")

    version = ("--os-compute-api-version", "2.56")
    portal.openstack(*version, "server", "migrate", "--host", first, server, cloud=ADMIN)
    assert waits(cloud, server) == first
    says(cloud, server, "marker: boot 4")
    portal.openstack("server", "migration", "confirm", server)
    settles(cloud, server, flavor=flavor, host=first)
    seen = [
        (each["Type"], each["Status"], each["Source Compute"], each["Dest Compute"])
        for each in portal.openstack_json("server", "migration", "list", cloud=ADMIN)
        if each["Server UUID"] == server
    ]
    assert seen == [
        ("migration", "confirmed", second, first),
        ("migration", "reverted", second, third),
        ("resize", "confirmed", first, second),
    ]
    portal.openstack("server", "delete", "--wait", server)
    cloud.slate.assert_clean()


def log(cloud: Cloud, server: str) -> str:
    return str(cloud.portal.openstack("console", "log", "show", server))


def says(cloud: Cloud, server: str, text: str) -> None:
    """Wait until the guest's console has this."""
    try:
        eventually(lambda: text in log(cloud, server), within_s=90)
    except TimeoutError as error:
        raise AssertionError(f"It does not say {text}: {log(cloud, server)}") from error


def waits(cloud: Cloud, server: str) -> str:
    """The host of a server once it waits to be confirmed."""

    def look() -> Any:
        found = hosts.show(cloud, server)
        assert found.status in {"RESIZE", "VERIFY_RESIZE"}, f"{found.status} {found.fault}"
        return found if found.status == "VERIFY_RESIZE" else None

    found = eventually(look, within_s=120, what="the server is resized")
    return str(found.compute_host)


def settles(cloud: Cloud, server: str, *, flavor: str, host: str) -> None:
    """Wait until the server is nothing but that, there."""

    def is_so() -> bool:
        found = hosts.show(cloud, server)
        return (found.status, found.task_state, found.compute_host, found.flavor.original_name) == (
            *("ACTIVE", None, host),
            flavor,
        )

    eventually(is_so, within_s=120, what="the server is settled")


def domain(cloud: Cloud, host: str, server: str) -> str:
    words = ("virsh", "-q", "domstate", f"server-{server}")
    return str(cloud.lab.run("exec", host, "--", *words).strip())


def left(cloud: Cloud, host: str, server: str) -> list[str]:
    """What a host has of the server: its guest and its volumes."""
    names = cloud.lab.run("exec", host, "--", "virsh", "-q", "list", "--all", "--name").split()
    volumes = cloud.lab.run("exec", host, "--", "virsh", "-q", "vol-list", "cloudportal").split()
    return [each for each in (*names, *volumes) if server in each]

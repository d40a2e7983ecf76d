"""The `openstack` command keeps hosts and their groups in a running portal."""

import pytest

pytestmark = [pytest.mark.lab, pytest.mark.wire]
ADMIN = "cloudportal-admin"


def names(rows):
    return {row["Name"] for row in rows}


def test_a_host_is_declared_dead_and_alive_with_the_command(cloud):
    one = cloud.hosts[0]["name"]

    def state():
        rows = cloud.portal.openstack_json(
            "compute", "service", "list", "--long", "--host", one, cloud=ADMIN
        )
        return [(row["State"], row["Forced Down"]) for row in rows]

    service = ("compute", "service", "set", one, "nova-compute")
    cloud.portal.openstack(*service, "--down", cloud=ADMIN)
    dead = state()
    cloud.portal.openstack(*service, "--up", cloud=ADMIN)

    assert dead == [("down", True)]
    assert state() == [("up", False)]

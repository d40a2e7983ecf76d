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


def test_aggregates_with_the_command(cloud):
    one = cloud.hosts[0]["name"]

    def run(*words):
        cloud.portal.openstack("aggregate", *words, cloud=ADMIN)

    def show(name):
        return cloud.portal.openstack_json("aggregate", "show", name, cloud=ADMIN)

    run("create", "--property", "ssd=true", "a-cli")
    run("add", "host", "a-cli", one)
    filled = show("a-cli")
    run("cache", "image", "a-cli", "tiny")
    run("remove", "host", "a-cli", one)
    run("unset", "--property", "ssd", "a-cli")
    run("set", "--name", "b-cli", "--zone", "z-cli", "a-cli")
    changed = show("b-cli")
    listed = names(cloud.portal.openstack_json("aggregate", "list", cloud=ADMIN))
    run("delete", "b-cli")

    assert (filled["hosts"], filled["properties"]) == ([one], {"ssd": "true"})
    assert (changed["hosts"], changed["availability_zone"]) == ([], "z-cli")
    assert "ssd" not in changed["properties"]
    assert "b-cli" in listed
    assert "b-cli" not in names(cloud.portal.openstack_json("aggregate", "list", cloud=ADMIN))

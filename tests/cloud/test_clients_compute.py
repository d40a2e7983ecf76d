"""The compute API as its real clients use it: `openstack`, openstacksdk, novaclient."""

from __future__ import annotations

import subprocess

import pytest

from tests.cloud import blink
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]
ADMIN = "cloudportal-admin"


@pytest.fixture
def portal(cloud):
    return cloud.portal


def names(rows):
    return {row["Name"] for row in rows}


def test_key_pairs_with_the_command(portal, tmp_path):
    private = tmp_path / "made"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "own"], check=True
    )
    public = (tmp_path / "own.pub").read_text()

    portal.openstack("keypair", "create", "--private-key", str(private), "made-cli")
    portal.openstack("keypair", "create", "--public-key", str(tmp_path / "own.pub"), "own-cli")
    listed = names(portal.openstack_json("keypair", "list"))
    shown = portal.openstack_json("keypair", "show", "own-cli")
    kept = portal.openstack("keypair", "show", "--public-key", "own-cli")
    portal.openstack("keypair", "delete", "made-cli", "own-cli")

    assert "PRIVATE KEY" in private.read_text()
    assert {"made-cli", "own-cli"} <= listed
    assert shown["type"] == "ssh"
    assert kept.split()[:2] == public.split()[:2]
    assert not {"made-cli", "own-cli"} & names(portal.openstack_json("keypair", "list"))


def test_a_host_is_disabled_and_enabled_with_the_command(cloud):
    one = cloud.hosts[0]["name"]

    def status():
        rows = cloud.portal.openstack_json(
            "compute", "service", "list", "--long", "--host", one, cloud=ADMIN
        )
        return [(row["Status"], row["Disabled Reason"]) for row in rows]

    service = ("compute", "service", "set", one, "nova-compute")
    cloud.portal.openstack(*service, "--disable", "--disable-reason", "repair", cloud=ADMIN)
    disabled = status()
    cloud.portal.openstack(*service, "--enable", cloud=ADMIN)

    assert disabled == [("disabled", "repair")]
    assert status() == [("enabled", None)]


def test_limits_and_quotas_with_the_command(portal):
    def quota(*words, cloud=ADMIN):
        rows = portal.openstack_json("quota", "show", *words, cloud=cloud)
        return {row["Resource"]: row["Limit"] for row in rows}

    limits = {
        row["Name"]: row["Value"] for row in portal.openstack_json("limits", "show", "--absolute")
    }
    before = quota("demo")
    portal.openstack("quota", "set", "--instances", "33", "--ram", "12345", "demo", cloud=ADMIN)
    changed = quota("demo")
    own = quota(cloud="cloudportal")
    portal.openstack("quota", "delete", "--compute", "demo", cloud=ADMIN)

    assert limits["max_total_instances"] == before["instances"]
    assert (changed["instances"], changed["ram"]) == (33, 12345)
    assert own == changed
    assert quota("demo") == before


def test_servers_with_the_command(empty_cloud):
    portal = empty_cloud.portal

    def run(*words):
        return portal.openstack("server", *words)

    def show(name):
        return portal.openstack_json("server", "show", name)

    run(
        *("create", "--image", blink.NAME, "--flavor", "m1.tiny", "--nic", "net-id=default"),
        *("--availability-zone", "nova", "--property", "tier=web", "--description", "Two."),
        *("--min", "1", "--max", "2", "--wait", "cli"),
    )
    eventually(
        lambda: {row["Status"] for row in portal.openstack_json("server", "list")} == {"ACTIVE"},
        what="both are active",
    )
    first = show("cli-1")
    run("set", "--name", "renamed", "--description", "One.", "--property", "a=b", "cli-1")
    run("set", "--tag", "blue", "renamed")
    run("unset", "--property", "tier", "renamed")
    changed = show("renamed")
    found = portal.openstack_json(
        *("server", "list", "--name", "renamed", "--status", "ACTIVE", "--flavor", "m1.tiny"),
        *("--image", blink.NAME, "--tags", "blue", "--long"),
    )
    [action] = portal.openstack_json("server", "event", "list", "renamed")
    event = portal.openstack_json("server", "event", "show", "renamed", action["Request ID"])
    log = eventually(
        lambda: portal.openstack("console", "log", "show", "renamed"), what="the guest's console"
    )
    ports = portal.openstack_json("port", "list", "--server", "renamed", "--long")
    run("delete", "--wait", "renamed", "cli-2")

    assert first["properties"] == {"tier": "web"}
    assert first["OS-EXT-AZ:availability_zone"] == "nova"
    assert (changed["name"], changed["description"]) == ("renamed", "One.")
    assert (changed["properties"], changed["tags"]) == ({"a": "b"}, ["blue"])
    assert [row["ID"] for row in found] == [changed["id"]]
    assert (action["Action"], event["events"][0]["result"]) == ("create", "Success")
    assert log.strip()
    assert [port["Status"] for port in ports] == ["ACTIVE"]
    assert portal.openstack_json("server", "list") == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--key-name", "nosuch"), "Invalid key_name provided."),
        (("--availability-zone", "nosuch"), "The requested availability zone is not available"),
        (("--security-group", "nosuch"), "nosuch"),
        (("--nic", "v4-fixed-ip=1.2.3.4,net-id=default"), "1.2.3.4"),
        (("--min", "11", "--max", "12"), "Quota exceeded"),
    ],
)
def test_what_cannot_be_is_refused_in_words(portal, words, expected):
    create = ("server", "create", "--image", "tiny", "--flavor", "m1.tiny")

    answer = portal.openstack(*create, *words, "refused", check=False)

    assert expected in answer
    assert not list(portal.connection().compute.servers(name="refused"))


def test_the_way_of_a_server_with_the_sdk_s_cloud_layer(empty_cloud):
    """What Ansible's modules call."""
    connection = empty_cloud.portal.connection()
    connection.create_keypair("ansible")

    server = connection.create_server(
        *("ansible", blink.NAME, "m1.tiny"),
        network="default",
        key_name="ansible",
        meta={"a": "b"},
        userdata="#!/bin/sh\ntrue\n",
        config_drive=True,
        security_groups=["default"],
        auto_ip=True,
        wait=True,
        timeout=240,
    )
    again = connection.get_server("ansible")
    updated = connection.update_server(again.id, name="ansible-two")
    log = connection.get_server_console(again.id)
    listed = connection.list_servers(detailed=True)
    gone = connection.delete_server(again.id, wait=True, timeout=240)
    connection.delete_keypair("ansible")

    assert (server.status, server.key_name, server.metadata) == ("ACTIVE", "ansible", {"a": "b"})
    assert again.private_v4 or again.public_v4
    assert (updated.name, [each.id for each in listed]) == ("ansible-two", [server.id])
    assert isinstance(log, str)
    assert gone
    assert connection.get_server("ansible-two") is None

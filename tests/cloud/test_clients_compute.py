"""The compute API as its real clients use it: `openstack`, openstacksdk, novaclient."""

from __future__ import annotations

import subprocess
from contextlib import suppress

import novaclient.client
import novaclient.exceptions
import openstack.exceptions
import pytest

from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]
# What novaclient's users set: the oldest, the last with ids of images, tags, and the newest.
VERSIONS = ["2.1", "2.37", "2.60", "2.79", "2.96"]
ADMIN = "cloudportal-admin"


@pytest.fixture
def portal(cloud):
    return cloud.portal


@pytest.fixture
def too_large(cloud):
    """A flavor that fits the limits and no host: its servers fail, and no guest is started."""
    admin = cloud.portal.connection(ADMIN)
    flavor = admin.compute.create_flavor(name="too-large", ram=128, vcpus=1, disk=500_000)
    yield flavor
    admin.compute.delete_flavor(flavor.id)


@pytest.fixture(params=VERSIONS)
def version(request):
    return request.param


def nova(portal, version, cloud="cloudportal"):
    session = portal.connection(cloud).session
    return novaclient.client.Client(version, session=session, region_name="RegionOne")


def names(rows):
    return {row["Name"] for row in rows}


def test_flavors_with_the_command(portal):
    def run(*words):
        return portal.openstack("flavor", *words, cloud=ADMIN)

    def show():
        return portal.openstack_json("flavor", "show", "f-cli", cloud=ADMIN)

    run("create", "--ram", "128", "--disk", "2", "--swap", "64", "--property", "a:b=c", "f-cli")
    created = show()
    run("set", "--property", "hw:watchdog_action=reset", "--description", "Small.", "f-cli")
    run("unset", "--property", "a:b", "f-cli")
    changed = show()
    listed = names(portal.openstack_json("flavor", "list", "--long"))
    run("delete", "f-cli")

    assert [created[key] for key in ("ram", "disk", "swap", "vcpus")] == [128, 2, 64, 1]
    assert created["properties"] == {"a:b": "c"}
    assert changed["properties"] == {"hw:watchdog_action": "reset"}
    assert changed["description"] == "Small."
    assert {"m1.tiny", "f-cli"} <= listed
    assert "f-cli" not in names(portal.openstack_json("flavor", "list"))


def test_a_private_flavor_is_for_whom_it_is_shared_with(portal):
    def run(*words):
        return portal.openstack("flavor", *words, cloud=ADMIN)

    run("create", "--private", "--ram", "128", "f-private")
    before = names(portal.openstack_json("flavor", "list"))
    run("set", "--project", "demo", "f-private")
    shared = names(portal.openstack_json("flavor", "list", "--all"))
    run("delete", "f-private")

    assert "f-private" not in before
    assert "f-private" in shared


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


def test_hosts_with_the_command(cloud):
    def read(*words):
        return cloud.portal.openstack_json(*words, cloud=ADMIN)

    expected = {host["name"] for host in cloud.hosts}
    one = cloud.hosts[0]["name"]

    hypervisors = read("hypervisor", "list", "--long")
    shown = read("hypervisor", "show", one)
    services = read("compute", "service", "list", "--service", "nova-compute")
    zones = read("availability", "zone", "list", "--long", "--compute")

    assert {each["Hypervisor Hostname"] for each in hypervisors} == expected
    assert {each["State"] for each in hypervisors} == {"up"}
    assert (shown["hypervisor_hostname"], shown["status"]) == (one, "enabled")
    assert {each["Host"] for each in services} == expected
    assert {each["State"] for each in services} == {"up"}
    assert {each["Host Name"] for each in zones if each["Zone Name"] == "nova"} == expected
    assert [z["Zone Name"] for z in cloud.portal.openstack_json("availability", "zone", "list")]


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
        *("create", "--image", "tiny", "--flavor", "m1.tiny", "--nic", "net-id=default"),
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
        *("--image", "tiny", "--tags", "blue", "--long"),
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
        *("ansible", "tiny", "m1.tiny"),
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


def test_the_sdk_reads_everything(portal):
    admin = portal.connection(ADMIN)
    demo = portal.connection()
    project = admin.identity.find_project("demo")

    assert {"m1.tiny", "m1.small"} <= {each.name for each in demo.compute.flavors()}
    assert demo.compute.find_flavor("m1.tiny", get_extra_specs=True).ram == 256
    assert [each.state for each in admin.compute.hypervisors(details=True)] == ["up"] * 3
    assert {each.binary for each in admin.compute.services()} >= {"nova-compute"}
    assert [zone.name for zone in demo.compute.availability_zones()] == ["nova"]
    assert list(admin.compute.aggregates()) == []
    assert demo.compute.get_limits().absolute.instances == 10
    assert admin.compute.get_quota_set(project.id, usage=True).instances == 10
    assert admin.compute.get_quota_set_defaults(project.id).instances == 10
    with pytest.raises(openstack.exceptions.ForbiddenException):
        list(demo.compute.hypervisors())


def test_novaclient_reads_everything(portal, version):
    demo = nova(portal, version)
    admin = nova(portal, version, ADMIN)
    project = portal.connection(ADMIN).identity.find_project("demo").id

    flavor = next(each for each in demo.flavors.list() if each.name == "m1.tiny")
    hypervisors = admin.hypervisors.list(detailed=True)

    assert demo.flavors.get(flavor.id).ram == 256
    assert [each.state for each in hypervisors] == ["up"] * 3
    assert admin.hypervisors.get(hypervisors[0]).id == hypervisors[0].id
    assert {each.state for each in admin.services.list(binary="nova-compute")} == {"up"}
    assert [zone.zoneName for zone in demo.availability_zones.list(detailed=False)] == ["nova"]
    absolute = {each.name: each.value for each in demo.limits.get().absolute}
    assert absolute["maxTotalInstances"] == admin.quotas.get(project).instances == 10
    assert admin.quotas.defaults(project).cores == 20
    assert demo.versions.get_current().version


def test_novaclient_changes_quotas_and_flavors(portal, version):
    admin = nova(portal, version, ADMIN)
    project = portal.connection(ADMIN).identity.find_project("demo").id

    flavor = admin.flavors.create("f-nova", 128, 1, 1, swap=32)
    flavor.set_keys({"a:b": "c"})
    keys = admin.flavors.get(flavor.id).get_keys()
    flavor.delete()
    changed = admin.quotas.update(project, instances=12)
    admin.quotas.delete(project)

    assert keys == {"a:b": "c"}
    assert changed.instances == 12
    with pytest.raises(novaclient.exceptions.NotFound):
        admin.flavors.get(flavor.id)


def test_novaclient_keeps_key_pairs(portal, version, tmp_path):
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "own"], check=True
    )
    public = (tmp_path / "own.pub").read_text()
    demo = nova(portal, version)

    demo.keypairs.create("nova-own", public_key=public)
    listed = {each.name for each in demo.keypairs.list()}
    shown = demo.keypairs.get("nova-own")
    demo.keypairs.delete("nova-own")

    assert "nova-own" in listed
    assert shown.public_key.split()[:2] == public.split()[:2]
    with pytest.raises(novaclient.exceptions.NotFound):
        demo.keypairs.get("nova-own")


def test_novaclient_makes_changes_and_deletes_servers(empty_cloud, version, too_large):
    demo = nova(empty_cloud.portal, version)
    image = empty_cloud.portal.connection().image.find_image("tiny")
    # From 2.37 on a request must say which networks; before, "auto" is no word.
    nics = None if version == "2.1" else "auto"

    made = demo.servers.create("nova", image.id, too_large.id, nics=nics, meta={"a": "b"})
    failed = eventually(
        lambda: (got := demo.servers.get(made.id)).status == "ERROR" and got,
        what="no host is found",
    )
    demo.servers.update(failed, name="nova-two")
    [listed] = demo.servers.list()
    made.delete()

    def is_gone():
        with suppress(novaclient.exceptions.NotFound):
            return not demo.servers.get(made.id)
        return True

    eventually(is_gone, what="it is deleted")
    assert "No valid host was found" in failed.fault["message"]
    assert listed.name == "nova-two"
    assert listed.metadata == {"a": "b"}

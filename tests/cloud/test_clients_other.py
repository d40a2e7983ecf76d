"""Identity, images and networks as their real clients use them: `openstack` and openstacksdk."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import openstack.exceptions
import pytest

pytestmark = [pytest.mark.lab, pytest.mark.wire]
ADMIN = "cloudportal-admin"


@pytest.fixture
def portal(cloud):
    return cloud.portal


@pytest.fixture
def disk(tmp_path):
    """A small raw disk that no two tests share."""
    path = tmp_path / "disk.raw"
    path.write_bytes(os.urandom(2 * 1024 * 1024))
    return path


def names(rows):
    return {row["Name"] for row in rows}


def test_a_token_and_what_it_opens_with_the_command(portal):
    token = portal.openstack_json("token", "issue")
    catalog = {row["Type"]: row["Name"] for row in portal.openstack_json("catalog", "list")}
    versions = {
        row["Service Type"]: row["Max Microversion"]
        for row in portal.openstack_json("versions", "show", "--status", "CURRENT")
    }

    assert token["id"]
    assert token["project_id"] == portal.connection().current_project_id
    assert catalog == {
        "identity": "keystone",
        "compute": "nova",
        "image": "glance",
        "network": "neutron",
        "block-storage": "cinder",
        "volumev3": "cinderv3",
    }
    # The old name of volumes is the same service once more.
    assert set(versions) == set(catalog) - {"volumev3"}
    assert versions["compute"]


def test_projects_users_and_roles_with_the_command(portal):
    def run(*words):
        return portal.openstack(*words, cloud=ADMIN)

    def read(*words):
        return portal.openstack_json(*words, cloud=ADMIN)

    run("project", "create", "--description", "One.", "p-cli")
    run("project", "set", "--description", "Two.", "p-cli")
    run("user", "create", "--project", "p-cli", "--password", "long-enough-1", "u-cli")
    run("role", "add", "--project", "p-cli", "--user", "u-cli", "member")
    project = read("project", "show", "p-cli")
    user = read("user", "show", "u-cli")
    assignments = read("role", "assignment", "list", "--names", "--user", "u-cli")
    projects, users = read("project", "list", "--long"), read("user", "list", "--long")
    roles = names(read("role", "list"))
    run("role", "remove", "--project", "p-cli", "--user", "u-cli", "member")
    left = read("role", "assignment", "list", "--names", "--user", "u-cli")
    run("user", "delete", "u-cli")
    run("project", "delete", "p-cli")

    assert (project["description"], project["enabled"]) == ("Two.", True)
    assert user["default_project_id"] == project["id"]
    [assignment] = assignments
    assert (assignment["Role"], assignment["Project"]) == ("member", "p-cli@Default")
    assert "p-cli" in names(projects)
    assert "u-cli" in names(users)
    assert {"admin", "member", "reader"} <= roles
    assert left == []
    assert "p-cli" not in names(read("project", "list"))


def test_a_new_user_logs_in_and_sees_only_their_own(portal):
    admin = portal.connection(ADMIN)
    project = admin.identity.create_project(name="p-sdk")
    user = admin.identity.create_user(name="u-sdk", password="long-enough-1")
    member = admin.identity.find_role("member")
    admin.identity.assign_project_role_to_user(project, user, member)
    own: Any = openstack.connect(
        auth_url=f"{portal.url}/identity/v3",
        username="u-sdk",
        password="long-enough-1",
        project_name="p-sdk",
        user_domain_id="default",
        project_domain_id="default",
        load_envvars=False,
        load_yaml_config=False,
    )

    assert own.current_user_id == user.id
    assert [each.name for each in own.identity.user_projects(user.id)] == ["p-sdk"]
    assert list(own.compute.servers()) == []
    with pytest.raises(openstack.exceptions.ForbiddenException):
        list(own.identity.users())

    admin.identity.delete_user(user)
    admin.identity.delete_project(project)


def test_a_wrong_password_is_said_so(portal):
    answer = portal.openstack("--os-password", "wrong", "token", "issue", check=False)

    assert "HTTP 401" in answer


def test_images_with_the_command(portal, disk, tmp_path):
    saved = tmp_path / "saved.raw"

    created = portal.openstack_json(
        *("image", "create", "--file", str(disk), "--disk-format", "raw"),
        *("--container-format", "bare", "--property", "os_distro=x", "--tag", "t1", "i-cli"),
    )
    portal.openstack("image", "set", "--property", "hw_disk_bus=virtio", "--min-ram", "64", "i-cli")
    portal.openstack("image", "unset", "--property", "os_distro", "--tag", "t1", "i-cli")
    shown = portal.openstack_json("image", "show", "i-cli")
    listed = portal.openstack_json("image", "list", "--long", "--property", "hw_disk_bus=virtio")
    portal.openstack("image", "save", "--file", str(saved), "i-cli")
    portal.openstack("image", "delete", "i-cli")

    md5 = hashlib.md5(disk.read_bytes()).hexdigest()
    assert (created["status"], created["checksum"]) == ("active", md5)
    assert (created["properties"]["os_distro"], created["tags"]) == ("x", ["t1"])
    assert (shown["properties"]["hw_disk_bus"], shown["min_ram"]) == ("virtio", 64)
    assert "os_distro" not in shown["properties"]
    assert (shown["tags"], shown["size"]) == ([], disk.stat().st_size)
    assert names(listed) == {"i-cli"}
    assert saved.read_bytes() == disk.read_bytes()
    assert "i-cli" not in names(portal.openstack_json("image", "list"))


def test_images_with_the_sdk(portal, disk):
    """The cloud layer's upload, which Ansible calls: the same file again uploads nothing."""
    connection = portal.connection()

    def upload():
        return connection.create_image(
            "i-sdk",
            filename=str(disk),
            disk_format="raw",
            container_format="bare",
            validate_checksum=True,
            wait=True,
        )

    image, again = upload(), upload()
    content = connection.image.download_image(image.id).content
    connection.delete_image("i-sdk", wait=True)

    assert image.status == "active"
    assert again.id == image.id
    assert content == disk.read_bytes()
    assert connection.get_image("i-sdk") is None
    assert connection.get_image("tiny").visibility == "public"


def test_networks_and_ports_with_the_command(portal):
    [network] = portal.openstack_json("network", "list", "--long")
    shown = portal.openstack_json("network", "show", "default")
    [subnet] = portal.openstack_json("subnet", "list")
    subnet_shown = portal.openstack_json("subnet", "show", "default")
    created = portal.openstack_json("port", "create", "--network", "default", "p-cli")
    portal.openstack("port", "set", "--name", "p-two", "--description", "Two.", "p-cli")
    changed = portal.openstack_json("port", "show", "p-two")
    listed = portal.openstack_json("port", "list", "--network", "default")
    portal.openstack("port", "delete", "p-two")

    assert (network["Name"], shown["status"], shown["shared"]) == ("default", "ACTIVE", True)
    assert network["Subnets"] == [subnet["ID"]]
    assert subnet_shown["cidr"] == subnet["Subnet"]
    assert [each["subnet_id"] for each in created["fixed_ips"]] == [subnet["ID"]]
    assert (created["status"], changed["description"]) == ("DOWN", "Two.")
    assert changed["mac_address"] == created["mac_address"]
    assert "p-two" in names(listed)
    assert "p-two" not in names(portal.openstack_json("port", "list"))


def test_security_groups_with_the_command(portal):
    groups = portal.openstack_json("security", "group", "list")
    group = portal.openstack_json("security", "group", "show", "default")
    rules = portal.openstack_json("security", "group", "rule", "list", "default")

    assert "default" in names(groups)
    assert {rule["direction"] for rule in group["rules"]} == {"ingress", "egress"}
    assert len(rules) == len(group["rules"])


def test_networks_with_the_sdk(portal):
    connection = portal.connection()
    network = connection.get_network("default")
    [subnet] = connection.network.subnets(network_id=network.id)
    address = subnet.allocation_pools[0]["end"]

    port = connection.create_port(
        network.id, name="p-sdk", fixed_ips=[{"subnet_id": subnet.id, "ip_address": address}]
    )
    with pytest.raises(openstack.exceptions.ConflictException):
        connection.create_port(network.id, fixed_ips=[{"ip_address": address}])
    connection.delete_port(port.id)

    assert [each["ip_address"] for each in port.fixed_ips] == [address]
    assert connection.get_port("p-sdk") is None


@pytest.fixture
def public(portal):
    """An external network, joined to the project's by a router; both are gone afterwards."""

    def as_admin(*words: str) -> str:
        return portal.openstack(*words, cloud=ADMIN)

    as_admin("network", "create", "--external", "public")
    as_admin(
        *("subnet", "create", "--network", "public", "--subnet-range", "203.0.113.0/28"),
        *("--no-dhcp", "public"),
    )
    as_admin("router", "create", "--external-gateway", "public", "edge")
    as_admin("router", "add", "subnet", "edge", "default")
    yield "public"
    as_admin("router", "remove", "subnet", "edge", "default")
    as_admin("router", "delete", "edge")
    as_admin("network", "delete", "public")


def test_routers_with_the_command(portal, public):
    shown = portal.openstack_json("router", "show", "edge", cloud=ADMIN)
    refused = portal.openstack("router", "delete", "edge", cloud=ADMIN, check=False)
    portal.openstack("router", "create", "--description", "Mine.", "r-cli")
    portal.openstack("router", "set", "--external-gateway", public, "--name", "r-two", "r-cli")
    mine = portal.openstack_json("router", "show", "r-two")
    portal.openstack("router", "unset", "--external-gateway", "r-two")
    cleared = portal.openstack_json("router", "show", "r-two")
    listed = portal.openstack_json("router", "list")
    portal.openstack("router", "delete", "r-two")

    [interface] = shown["interfaces_info"]
    gateway = portal.openstack_json("subnet", "show", "default")["gateway_ip"]
    assert interface["ip_address"] == gateway
    assert "still has ports" in refused
    assert (mine["status"], mine["description"]) == ("ACTIVE", "Mine.")
    assert mine["external_gateway_info"]["enable_snat"]
    assert cleared["external_gateway_info"] is None
    assert names(listed) == {"r-two"}
    assert portal.openstack_json("router", "list") == []


def test_floating_ips_with_the_command_and_the_sdk(portal, public):
    connection = portal.connection()
    port = portal.openstack_json("port", "create", "--network", "default", "p-float")
    taken = portal.openstack_json("floating", "ip", "create", "--description", "Mine.", public)
    address = taken["floating_ip_address"]
    portal.openstack("floating", "ip", "set", "--port", "p-float", address)
    led = connection.network.find_ip(address)
    [listed] = portal.openstack_json("floating", "ip", "list", "--port", port["id"])
    portal.openstack("floating", "ip", "unset", "--port", address)
    let_go = connection.network.find_ip(address)
    portal.openstack("floating", "ip", "delete", address)
    portal.openstack("port", "delete", "p-float")
    other = connection.create_floating_ip(network=public)
    connection.delete_floating_ip(other.id)

    assert (taken["status"], taken["description"]) == ("DOWN", "Mine.")
    assert (led.port_id, led.port_details["name"]) == (port["id"], "p-float")
    assert listed["Fixed IP Address"] == port["fixed_ips"][0]["ip_address"]
    assert (let_go.port_id, let_go.fixed_ip_address) == (None, None)
    assert list(connection.network.ips()) == []
    quota = portal.openstack_json("quota", "show", "--network")
    assert {"floating_ips", "routers"} <= {row["Resource"] for row in quota}


def test_ipv6_tags_and_quotas_of_networks_with_the_command(portal):
    def run(*words):
        return portal.openstack(*words, cloud=ADMIN)

    def read(*words):
        return portal.openstack_json(*words, cloud=ADMIN)

    run("network", "create", "--tag", "red", "n-six")
    run("network", "set", "--tag", "blue", "n-six")
    words = ("--network", "n-six", "--subnet-range", "10.95.0.0/24")
    run("subnet", "create", *words, "s-four")
    six = read(
        *("subnet", "create", "--network", "n-six", "--ip-version", "6"),
        *("--subnet-range", "fd95::/64", "--ipv6-ra-mode", "slaac"),
        *("--ipv6-address-mode", "slaac", "s-six"),
    )
    port = read(
        *("port", "create", "--network", "n-six", "--no-security-group"),
        *("--allowed-address", "ip-address=10.95.0.99", "p-six"),
    )
    run("port", "set", "--no-allowed-address", "--disable-port-security", "p-six")
    opened = read("port", "show", "p-six")
    found = names(read("network", "list", "--tags", "red,blue"))
    none = read("network", "list", "--not-tags", "red,blue", "--name", "n-six")
    policy = read(
        *("network", "rbac", "create", "--type", "network", "--action", "access_as_shared"),
        *("--target-project", "demo", "n-six"),
    )
    lent = names(portal.openstack_json("network", "list"))
    policies = read("network", "rbac", "list")
    run("network", "rbac", "delete", policy["id"])
    taken_back = names(portal.openstack_json("network", "list"))
    run("port", "delete", "p-six")
    run("network", "delete", "n-six")
    hosts = read("network", "agent", "list")
    zones = read("availability", "zone", "list", "--network")
    aliases = {row["Alias"] for row in read("extension", "list", "--network")}
    run("quota", "set", "--ports", "77", "demo")
    quota = {row["Resource"]: row["Limit"] for row in read("quota", "show", "--network", "demo")}
    run("quota", "delete", "--network", "demo")
    back = {row["Resource"]: row["Limit"] for row in read("quota", "show", "--network", "demo")}

    assert (six["ip_version"], six["ipv6_ra_mode"], six["gateway_ip"]) == (6, "slaac", "fd95::1")
    addresses = [each["ip_address"] for each in port["fixed_ips"]]
    assert (len(addresses), addresses[1].startswith("fd95::f816:3eff:")) == (2, True)
    assert port["allowed_address_pairs"] == [
        {"ip_address": "10.95.0.99", "mac_address": port["mac_address"]}
    ]
    assert (opened["port_security_enabled"], opened["allowed_address_pairs"]) == (False, [])
    assert (found, none) == ({"n-six"}, [])
    assert "n-six" in lent - taken_back
    assert [row["Object ID"] for row in policies] == [policy["object_id"]]
    assert hosts
    assert all(row["Alive"] for row in hosts)
    assert {row["Zone Name"] for row in zones} == {"nova"}
    assert {"agent", "rbac-policies", "standard-attr-tag", "allowed-address-pairs"} <= aliases
    assert (quota["ports"], back["ports"]) == (77, 500)

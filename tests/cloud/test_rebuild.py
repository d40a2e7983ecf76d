"""The database is gone: a new portal gets all servers back from the hosts, none is interrupted."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openstack
import pytest

from tests.cloud.conftest import Cloud, delete_all
from tests.cloud.slate import Slate
from tests.portal import Portal, eventually, running

pytestmark = [pytest.mark.lab, pytest.mark.wire]

# How many servers each of three owners has of a kind; two more are one of their kind.
THIRTY = (12, 9, 7)
NINE = (3, 2, 2)
MOST = sum(THIRTY) + 2
VERSION = "2.100"
PASSWORD = "a pass word for tests"
USER_DATA = base64.b64encode("#!/bin/sh\necho größe\n".encode()).decode()
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJk0d5wV0m5Hn5WqB0vG0kQk0Yt0W5qBq3o2mG1w7Zr1 анна"
# Halts at once, so that thirty of it leave the machine its processors.
BOOT_SECTOR = bytes.fromhex("f4ebfd").ljust(510, b"\0") + b"\x55\xaa"
# Whether every guest has been told what its server is like by now.
ALL_RECORDED = """
from servers.guest_record import guest_records, record_digest
from servers.models import Server
servers = list(Server.objects.alive())
records = guest_records(servers)
print(all(each.record_digest == record_digest(records[each.pk]) for each in servers))
"""


class World:
    """Projects, users, networks, flavors and an image; what they are called is up to them."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.admin: Any = cloud.portal.connection("cloudportal-admin")
        self.made: list[tuple[Any, str, str]] = []

    def keep(self, proxy: Any, kind: str, thing: Any) -> Any:
        """Delete this one at the end."""
        self.made.append((proxy, kind, thing.id))
        return thing

    def user(self, name: str, project_name: str) -> Any:
        """A new user, member of a new project, as who is connected to the cloud."""
        identity = self.admin.identity
        project = self.keep(identity, "project", identity.create_project(name=project_name))
        user = identity.create_user(name=name, password=PASSWORD, default_project_id=project.id)
        self.keep(identity, "user", user)
        identity.assign_project_role_to_user(project, user, identity.find_role("member"))
        return openstack.connect(
            auth_url=f"{self.cloud.portal.url}/identity", username=name, password=PASSWORD,
            project_name=project_name, user_domain_id="default", project_domain_id="default",
            region_name="RegionOne", identity_api_version="3", load_yaml_config=False,
            load_envvars=False,
        )  # fmt: skip

    def network(self, name: str, cidr: str, **fields: Any) -> Any:
        """A network with a subnet."""
        networking = self.admin.network
        made = self.keep(networking, "network", networking.create_network(name=name, **fields))
        networking.create_subnet(
            network_id=made.id, name=f"{name} ü", cidr=cidr, ip_version=4,
            dns_nameservers=["192.0.2.53"],
        )  # fmt: skip
        return made

    def flavor(self, name: str, ram: int, extra_specs: dict[str, str]) -> Any:
        """A flavor so small that ten fit on a host."""
        compute = self.admin.compute
        made = compute.create_flavor(name=name, ram=ram, vcpus=1, disk=1, swap=1)
        self.keep(compute, "flavor", made)
        if extra_specs:
            compute.create_flavor_extra_specs(made, extra_specs)
        return made

    def forget(self) -> None:
        """Delete what was made, newest first."""
        delete_ports(self.admin)
        for proxy, kind, identifier in reversed(self.made):
            getattr(proxy, f"delete_{kind}")(identifier, ignore_missing=True)


def delete_ports(admin: Any) -> None:
    """Those made beforehand are left by the servers that had them."""
    for port in admin.network.ports():
        admin.network.delete_port(port)


@pytest.fixture
def world(empty_cloud, tmp_path) -> Iterator[World]:
    made = World(empty_cloud)
    file = tmp_path / "halt.raw"
    file.write_bytes(BOOT_SECTOR.ljust(1024**2, b"\0"))
    image = made.admin.image.create_image(
        "hält", filename=str(file), disk_format="raw", container_format="bare",
        visibility="public", min_disk=1, hw_vif_model="e1000",
    )  # fmt: skip
    made.keep(made.admin.image, "image", image)
    demo = made.admin.identity.find_project("demo")
    ratio = "from hypervisors.models import Hypervisor; Hypervisor.objects.update(cpu_ratio={})"
    empty_cloud.portal.manage("shell", "-v", "0", "-c", ratio.format(16))
    made.admin.compute.update_quota_set(demo.id, instances=MOST, cores=MOST)
    try:
        yield made
    finally:
        delete_all(empty_cloud)
        empty_cloud.portal.manage("shell", "-v", "0", "-c", ratio.format(4))
        made.admin.compute.revert_quota_set(demo.id)
        made.forget()


def create(connection: Any, count: int, **fields: Any) -> None:
    """Ask for servers in one request."""
    body = {"min_count": count, "max_count": count, "networks": "auto", **fields}
    answer = connection.compute.post("/servers", json={"server": body}, microversion="2.90")
    assert answer.status_code == 202, answer.text


def populate(world: World, sizes: tuple[int, int, int]) -> None:
    """Servers of three owners, with all that servers can have."""
    demos, annas, bobs = sizes
    image = world.admin.image.find_image("hält").id
    small = world.flavor("m1.nano", 64, {})
    odd = world.flavor("größe-ß", 96, {"quota:cpu_shares": "512", "hw:cpu_max_sockets": "1"})
    demo: Any = world.cloud.portal.connection()
    anna, bob = world.user("анна", "prüfung"), world.user("bob", "werk & co")
    cable = world.network("сеть", "10.231.77.0/24", project_id=bob.current_project_id)
    common = {"imageRef": image}

    create(demo, demos, name="many", flavorRef=small.id, tags=["a", "ü-2"],
           metadata={"role": "<web> & \"co\"", "empty": ""}, **common)  # fmt: skip
    anna.compute.create_keypair(name="k", public_key=KEY)
    create(anna, annas, name="сервер ☃", flavorRef=odd.id, key_name="k", user_data=USER_DATA,
           config_drive=True, description="with\ttabs and\nlines", accessIPv4="192.0.2.7",
           availability_zone="nova", **common)  # fmt: skip
    default = world.admin.network.find_network("default").id
    two = [{"uuid": cable.id, "tag": "first"}, {"uuid": default}]
    create(bob, bobs, name="two cards", flavorRef=small.id, **{**common, "networks": two})
    fixed = [{"uuid": cable.id, "fixed_ip": "10.231.77.200"}]
    create(bob, 1, name="fixed", flavorRef=odd.id, hostname="bobs-host", config_drive=False,
           **{**common, "networks": fixed, "OS-DCF:diskConfig": "AUTO"})  # fmt: skip
    port = bob.network.create_port(network_id=cable.id, name="bob's port", description="his")
    create(bob, 1, name="port", flavorRef=small.id, **{**common, "networks": [{"port": port.id}]})


def details(portal: Portal) -> list[dict[str, Any]]:
    """Every server as the administrator's list shows it, whatever the portal's address is."""
    admin = portal.connection("cloudportal-admin")
    answer = admin.compute.get(
        f"/servers/detail?all_tenants=1&limit={MOST + 5}", microversion=VERSION
    )
    text = answer.text.replace(portal.url, "http://portal")
    return sorted(json.loads(text)["servers"], key=lambda each: str(each["id"]))


def surroundings(portal: Portal) -> dict[str, Any]:
    """Ports, networks and owners, as the administrator sees them."""
    admin: Any = portal.connection("cloudportal-admin")
    fields = ("id", "name", "project_id", "mac_address", "fixed_ips", "device_id", "device_owner",
              "description", "security_group_ids", "status")  # fmt: skip
    ports = [{name: getattr(port, name) for name in fields} for port in admin.network.ports()]
    networks = {
        net.id: (net.name, net.project_id, net.is_shared, net.mtu, sorted(net.subnet_ids))
        for net in admin.network.networks()
    }
    subnets = {
        each.id: (
            *(each.name, each.cidr, each.gateway_ip, each.allocation_pools),
            *(each.is_dhcp_enabled, each.dns_nameservers),
        )
        for each in admin.network.subnets()
    }
    owners = {server["tenant_id"] for server in details(portal)}
    projects = {each.id: each.name for each in admin.identity.projects() if each.id in owners}
    users = {
        each.id: each.name
        for each in admin.identity.users()
        if each.id in {server["user_id"] for server in details(portal)}
    }
    ports.sort(key=lambda port: str(port["id"]))
    return {"ports": ports, "networks": networks, "subnets": subnets, "projects": projects,
            "users": users}  # fmt: skip


def usage(portal: Portal) -> list[Any]:
    """What is claimed on each host."""
    admin = portal.connection("cloudportal-admin")
    found = admin.compute.get("/os-hypervisors/detail", microversion="2.53").json()["hypervisors"]
    names = ("vcpus_used", "memory_mb_used", "local_gb_used")
    return sorted((host["hypervisor_hostname"], *(host[name] for name in names)) for host in found)


def processes_of(servers: list[dict[str, Any]]) -> dict[str, int]:
    """The QEMU process of each server's guest that runs; others run on this machine too."""
    wanted = {f"guest={server['OS-EXT-SRV-ATTR:instance_name']}" for server in servers}
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            names = wanted.intersection(word.split(",")[0] for word in words)
            found.update(dict.fromkeys(names, int(folder.name)))
    return found


@contextlib.contextmanager
def a_new_portal(cloud: Cloud) -> Iterator[Portal]:
    """An empty database and folder that were set up, with the image files put back."""
    with tempfile.TemporaryDirectory(prefix="cp-", ignore_cleanup_errors=True) as folder:
        portal = Portal(Path(folder))
        shutil.copytree(cloud.portal.var / "images", portal.var / "images")
        portal.manage("setup", "--no-hypervisor")
        key = portal.manage("hypervisor", "key").strip()
        for host in cloud.hosts:
            allowed = (
                cloud.lab.var / "lab" / cloud.lab.prefix / host["name"] / "ssh/authorized_keys"
            )
            with allowed.open("a") as file:
                file.write(f"{key}\n")
            portal.manage(
                *("hypervisor", "add", host["name"], host["uri"]),
                *("--accept-host-key", host["host_key_fingerprint"]),
            )
        yield portal


@contextlib.contextmanager
def stopped(portal: Portal) -> Iterator[None]:
    """The portal's processes do not run while the body does."""
    portal.stop()
    try:
        yield
    finally:
        portal.start_all()


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param(NINE, id="nine", marks=pytest.mark.long),
        pytest.param(THIRTY, id="thirty", marks=pytest.mark.long),
    ],
)
def test_all_servers_come_back_from_their_hosts_and_notice_nothing(empty_cloud, world, sizes):
    old, count = empty_cloud.portal, sum(sizes) + 2
    began = time.monotonic()
    populate(world, sizes)
    eventually(
        lambda: [server["status"] for server in details(old)] == ["ACTIVE"] * count,
        within_s=180,
        what="all servers run",
    )
    _note(f"{count} servers built", began)
    off, renamed, *_ = (server for server in details(old) if server["name"] == "port" or
                        server["name"].startswith("two"))  # fmt: skip
    empty_cloud.lab.run("exec", off["OS-EXT-SRV-ATTR:host"], "--", "virsh", "destroy",
                        off["OS-EXT-SRV-ATTR:instance_name"])  # fmt: skip
    world.admin.compute.put(
        f"/servers/{renamed['id']}", json={"server": {"name": "renamed ☂"}}, microversion="2.90"
    )
    eventually(
        lambda: next(s for s in details(old) if s["id"] == off["id"])["status"] == "SHUTOFF",
        within_s=60,
        what="the portal sees that a guest stopped",
    )
    eventually(
        lambda: old.manage("shell", "-v", "0", "-c", ALL_RECORDED).strip().endswith("True"),
        within_s=60,
        what="every guest knows its server",
    )
    before, around, used = details(old), surroundings(old), usage(old)
    guests = processes_of(before)
    assert len(guests) == count - 1

    with stopped(old), a_new_portal(empty_cloud) as new:
        dry = new.manage("rebuild-from-hosts", "--dry-run")
        began = time.monotonic()
        said = new.manage("rebuild-from-hosts")
        _note(f"{count} servers rebuilt", began)
        again = new.manage("rebuild-from-hosts")

        assert dry == said.replace("servers restored", "servers would be restored")
        assert restored(said) == count
        assert (restored(again), len(again.splitlines())) == (0, 3), again
        with running(new):
            assert details(new) == before
            assert surroundings(new) == around
            assert usage(new) == used
            admin: Any = new.connection("cloudportal-admin")
            image = admin.image.get_image(before[0]["image"]["id"])
            assert (image.name, image.status) == ("hält", "active")
            demo = new.connection()
            assert len(list(demo.compute.servers())) == sizes[0]
            assert processes_of(before) == guests
            delete_all(Cloud(new, empty_cloud.lab, empty_cloud.hosts, empty_cloud.slate))
            delete_ports(admin)
            Slate(new, [host["name"] for host in empty_cloud.hosts]).assert_clean()


def restored(said: str) -> int:
    """How many servers the command says it restored."""
    return sum(int(number) for number in re.findall(r"(\d+) servers restored", said))


def _note(what: str, began: float) -> None:
    sys.stderr.write(f"{what} in {time.monotonic() - began:.1f} s\n")

"""What Ansible's collection openstack.cloud is asked: playbooks, each thing declared twice.

The second declaration must find that nothing is to be changed: that is what a playbook is for.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.cloud import blink
from tests.cloud.probes.services.disks import disk
from tests.cloud.probes.services.groups import (
    COMPUTE,
    IDENTITY,
    IMAGE,
    NETWORK,
    VOLUME,
    ServiceColumn,
)
from tests.cloud.probes.table import Probes
from tests.compute_world import PUBLIC_KEY
from tests.portal import ROOT

BIN = ROOT / ".venv-ansible/bin"
ADMIN = "cloudportal-admin"
MEMBER = "cloudportal"
RANGE = "198.51.100.32/28"
PASSWORD = "long-enough-1"
PLAY_S = 300

ON_COMPUTE = Probes(COMPUTE)
ON_IDENTITY = Probes(IDENTITY)
ON_IMAGE = Probes(IMAGE)
ON_NETWORK = Probes(NETWORK)
ON_VOLUME = Probes(VOLUME)

Task = tuple[str, dict[str, Any]]


class AnsibleColumn(ServiceColumn):
    """Playbooks run by `ansible-playbook` on this machine."""

    def play(self, group: str, *tasks: Task) -> list[dict[str, Any]]:
        """Run modules of openstack.cloud one after the other; what each of them answered.

        Raises:
            AssertionError: one failed.
        """
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "tasks": [{f"openstack.cloud.{module}": fields} for module, fields in tasks],
        }
        book = Path(self.portal.var, f"{self.own}-{group}.json")
        book.write_text(json.dumps([play]))
        done = subprocess.run(
            [BIN / "ansible-playbook", "-i", "localhost,", book],
            env={
                **self.portal.environment,
                "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
                "ANSIBLE_PYTHON_INTERPRETER": str(BIN / "python"),
                "ANSIBLE_HOME": str(self.portal.var / "ansible"),
                "ANSIBLE_LOCALHOST_WARNING": "false",
            },
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=PLAY_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
        ran = json.loads(done.stdout[done.stdout.index("{") :])["plays"][0]["tasks"]
        return [each["hosts"]["localhost"] for each in ran]

    def cycle(self, group: str, *things: Task) -> None:
        """Declare things, twice, then that they are gone, twice, the last one first."""
        twice = [each for thing in things for each in (thing, thing)]
        there = [(module, {**fields, "state": "present"}) for module, fields in twice]
        gone = [(module, {**fields, "state": "absent"}) for module, fields in reversed(twice)]
        changed = [each["changed"] for each in self.play(group, *there, *gone)]
        assert changed == [True, False] * len(twice), changed


def _as(cloud: str, **fields: Any) -> dict[str, Any]:
    return {"cloud": cloud, **fields}


@ON_COMPUTE.of("servers")
def _servers(a: AnsibleColumn) -> None:
    server = _as(MEMBER, name=a.own, image=blink.NAME, flavor="m1.tiny", network="default")
    # Without groups the second declaration would take the one away that every server gets.
    more = {"auto_ip": False, "timeout": 120, "security_groups": ["default"]}
    a.cycle("servers", ("server", {**server, **more}))


@ON_COMPUTE.of("server actions")
def _actions(a: AnsibleColumn) -> None:
    name = f"{a.own}-actions"
    server = _as(MEMBER, name=name, image=blink.NAME, flavor="m1.tiny", network="default")
    here = ("server", {**server, "auto_ip": False, "timeout": 120})
    act = [("server_action", _as(MEMBER, name=name, action=each)) for each in ("stop", "start")]
    gone = ("server", _as(MEMBER, name=name, state="absent", timeout=120))
    found = a.play("actions", here, *act, gone)
    assert [each["changed"] for each in found] == [True, True, True, True]


@ON_COMPUTE.of("key pairs")
def _key_pairs(a: AnsibleColumn) -> None:
    a.cycle("key-pairs", ("keypair", _as(MEMBER, name=a.own, public_key=PUBLIC_KEY)))


@ON_COMPUTE.of("flavors")
def _flavors(a: AnsibleColumn) -> None:
    fields = {"ram": 128, "vcpus": 1, "disk": 1, "extra_specs": {"hw:watchdog_action": "reset"}}
    a.cycle("flavors", ("compute_flavor", _as(ADMIN, name=a.own, **fields)))


@ON_COMPUTE.of("server groups")
def _server_groups(a: AnsibleColumn) -> None:
    a.cycle("server-groups", ("server_group", _as(MEMBER, name=a.own, policy="affinity")))


@ON_COMPUTE.of("aggregates")
def _aggregates(a: AnsibleColumn) -> None:
    a.cycle("aggregates", ("host_aggregate", _as(ADMIN, name=a.own, metadata={"ssd": "true"})))


@ON_COMPUTE.of("quotas")
def _compute_quotas(a: AnsibleColumn) -> None:
    name = f"{a.own}-quota"
    project = ("project", _as(ADMIN, name=name, domain="default"))
    quota = ("quota", _as(ADMIN, name=name, cores=7, ports=8, volumes=9))
    gone = ("project", _as(ADMIN, name=name, domain="default", state="absent"))
    found = a.play("quotas", project, quota, quota, gone)
    assert [each["changed"] for each in found] == [True, True, False, True]
    assert found[2]["quotas"]["compute"]["cores"] == 7


@ON_IDENTITY.of("domains")
def _domains(a: AnsibleColumn) -> None:
    a.cycle("domains", ("identity_domain", _as(ADMIN, name=a.own, description="One.")))


@ON_IDENTITY.of("projects")
def _projects(a: AnsibleColumn) -> None:
    fields = {"domain": "default", "description": "One."}
    a.cycle("projects", ("project", _as(ADMIN, name=a.own, **fields)))


@ON_IDENTITY.of("users")
def _users(a: AnsibleColumn) -> None:
    fields = {"password": PASSWORD, "update_password": "on_create", "domain": "default"}
    a.cycle("users", ("identity_user", _as(ADMIN, name=a.own, **fields)))


@ON_IDENTITY.of("groups")
def _groups(a: AnsibleColumn) -> None:
    a.cycle("groups", ("identity_group", _as(ADMIN, name=a.own, description="One.")))


@ON_IDENTITY.of("roles")
def _roles(a: AnsibleColumn) -> None:
    a.cycle("roles", ("identity_role", _as(ADMIN, name=a.own, description="One.")))


@ON_IDENTITY.of("role assignments")
def _assignments(a: AnsibleColumn) -> None:
    name = f"{a.own}-assigned"
    a.cycle(
        "assignments",
        ("project", _as(ADMIN, name=name, domain="default")),
        ("role_assignment", _as(ADMIN, user="demo", role="reader", project=name)),
    )


@ON_IDENTITY.of("application credentials")
def _credentials(a: AnsibleColumn) -> None:
    # Its module asks for a new secret at every declaration, so that is asked once.
    fields = _as(MEMBER, name=a.own)
    there = ("application_credential", {**fields, "state": "present"})
    gone = ("application_credential", {**fields, "state": "absent"})
    assert [each["changed"] for each in a.play("credentials", there, gone)] == [True, True]


@ON_IMAGE.of("create, upload, download, delete")
def _image(a: AnsibleColumn) -> None:
    fields = {"filename": str(disk(a)), "disk_format": "raw", "container_format": "bare"}
    a.cycle("image", ("image", _as(MEMBER, name=a.own, wait=True, **fields)))


@ON_IMAGE.of("lists, filters")
def _images(a: AnsibleColumn) -> None:
    [found] = a.play("images", ("image_info", _as(MEMBER, name=blink.NAME)))
    assert [each["name"] for each in found["images"]] == [blink.NAME]


@ON_NETWORK.of("networks")
def _networks(a: AnsibleColumn) -> None:
    a.cycle("networks", ("network", _as(ADMIN, name=a.own)))


@ON_NETWORK.of("subnets")
def _subnets(a: AnsibleColumn) -> None:
    name = f"{a.own}-sub"
    a.cycle(
        "subnets",
        ("network", _as(ADMIN, name=name)),
        ("subnet", _as(ADMIN, name=name, network_name=name, cidr=RANGE)),
    )


@ON_NETWORK.of("ports")
def _ports(a: AnsibleColumn) -> None:
    a.cycle("ports", ("port", _as(MEMBER, name=a.own, network="default", description="One.")))


@ON_NETWORK.of("security groups")
def _security_groups(a: AnsibleColumn) -> None:
    rule = {"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}
    a.cycle(
        "security-groups",
        ("security_group", _as(MEMBER, name=a.own, description="One.")),
        ("security_group_rule", _as(MEMBER, security_group=a.own, **rule)),
    )


@ON_NETWORK.of("routers")
def _routers(a: AnsibleColumn) -> None:
    a.cycle("routers", ("router", _as(MEMBER, name=a.own)))


@ON_NETWORK.of("shared by RBAC")
def _shared(a: AnsibleColumn) -> None:
    # Its module takes the network by id alone.
    network = a.admin.network.create_network(name=f"{a.own}-rbac")
    share = {
        "object_type": "network",
        "object_id": network.id,
        "action": "access_as_shared",
        "project_id": a.admin.current_project_id,
        "target_project_id": a.demo.current_project_id,
    }
    there = ("neutron_rbac_policy", _as(ADMIN, **share, state="present"))
    made, again = a.play("rbac", there, there)
    assert [made["changed"], again["changed"]] == [True, False]
    policy = made["rbac_policy"]["id"]
    gone = ("neutron_rbac_policy", _as(ADMIN, id=policy, state="absent"))
    assert [each["changed"] for each in a.play("rbac", gone)] == [True]
    a.admin.network.delete_network(network)


@ON_VOLUME.of("volumes")
def _volumes(a: AnsibleColumn) -> None:
    a.cycle("volumes", ("volume", _as(MEMBER, name=a.own, size=1)))


@ON_VOLUME.of("snapshots")
def _snapshots(a: AnsibleColumn) -> None:
    name = f"{a.own}-snapped"
    a.cycle(
        "snapshots",
        ("volume", _as(MEMBER, name=name, size=1)),
        ("volume_snapshot", _as(MEMBER, name=name, volume=name)),
    )


@ON_VOLUME.of("types, extra specs")
def _types(a: AnsibleColumn) -> None:
    a.cycle("types", ("volume_type", _as(ADMIN, name=a.own, description="One.", is_public=True)))

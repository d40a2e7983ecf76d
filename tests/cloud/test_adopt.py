"""A domain that was made by hand becomes a server of a project, and is let go again."""

from __future__ import annotations

import json
import shlex
import uuid
from typing import Any

import pytest

from tests.cloud import hosts
from tests.cloud.conftest import Cloud, image_file
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]

DISK = "/var/lib/libvirt/images/legacy.qcow2"


def test_a_domain_made_by_hand_is_adopted_and_released_as_it_was(empty_cloud):
    host, domain = empty_cloud.hosts[0]["name"], str(uuid.uuid4())
    define_by_hand(empty_cloud, host, domain)
    try:
        before = dumped(empty_cloud, host)
        [found] = domains_of(empty_cloud, host)
        assert (found["id"], found["name"], found["power_state"]) == (domain, "legacy", "running")
        assert (found["vcpus"], found["ram"], found["disk"]) == (1, 128, 1)
        assert (found["disks"][0]["source"], found["obstacle"]) == (DISK, None)
        assert found["suggested_flavor"]["name"] == "m1.tiny"
        begun_at = started_at(empty_cloud, host)

        assert adopt(empty_cloud, host, domain).status_code == 202
        becomes(empty_cloud, domain, "ACTIVE")
        assert adopt(empty_cloud, host, domain).status_code == 409
        assert domains_of(empty_cloud, host) == []
        is_listed_and_shown(empty_cloud, domain, host)
        # It was neither started anew nor given other devices.
        assert started_at(empty_cloud, host) == begun_at
        assert without_mark(dumped(empty_cloud, host)) == without_mark(before)

        portal = empty_cloud.portal
        portal.openstack("server", "pause", domain)
        becomes(empty_cloud, domain, "PAUSED")
        portal.openstack("server", "unpause", domain)
        becomes(empty_cloud, domain, "ACTIVE")
        refused = compute(empty_cloud).delete(f"/servers/{domain}")
        assert refused.status_code == 409
        assert "release it" in refused.text
        portal.openstack("server", "stop", domain)
        becomes(empty_cloud, domain, "SHUTOFF")
        assert state_of(empty_cloud, host) == "shut off"
        portal.openstack("server", "start", domain)
        becomes(empty_cloud, domain, "ACTIVE")
        begun_again_at = started_at(empty_cloud, host)
        assert begun_again_at != begun_at
        portal.openstack("server", "reboot", "--hard", domain)
        eventually(
            lambda: started_at(empty_cloud, host) not in {begun_again_at, "-"},
            within_s=60,
            what="a reboot",
        )
        becomes(empty_cloud, domain, "ACTIVE")
        portal.openstack("server", "set", "--name", "heirloom", domain)
        eventually(
            lambda: "heirloom" in dumped(empty_cloud, host), within_s=60, what="the new name"
        )

        release(empty_cloud, domain)
        hosts.wait_gone(empty_cloud, domain)
        assert state_of(empty_cloud, host) == "running"
        assert dumped(empty_cloud, host) == before
        empty_cloud.slate.assert_clean()
        [again] = domains_of(empty_cloud, host)
        assert again["obstacle"] is None

        assert adopt(empty_cloud, host, domain).status_code == 202
        becomes(empty_cloud, domain, "ACTIVE")
        release(empty_cloud, domain)
        hosts.wait_gone(empty_cloud, domain)
        assert dumped(empty_cloud, host) == before
    finally:
        let_go(empty_cloud, domain)
        on_host(empty_cloud, host, "virsh", "destroy", "legacy")
        on_host(empty_cloud, host, "virsh", "undefine", "legacy")
        on_host(empty_cloud, host, "rm", "-f", DISK)


def define_by_hand(cloud: Cloud, host: str, domain: str) -> None:
    """A small domain with a disk outside all pools, as somebody made it with virsh."""
    xml = f"""<domain type='qemu'><name>legacy</name><uuid>{domain}</uuid>
<memory unit='MiB'>128</memory><vcpu>1</vcpu><os><type arch='x86_64'>hvm</type></os>
<devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
<source file='{DISK}'/><target dev='vda' bus='virtio'/></disk>
<serial type='pty'/><console type='pty'/>
<graphics type='vnc' port='-1' autoport='yes' passwd='keep-me'/></devices></domain>"""
    program = (
        f"mkdir -p {DISK.rpartition('/')[0]} && cp {image_file()} {DISK} && "
        f"printf %s {shlex.quote(xml)} > /tmp/legacy.xml && "
        "virsh -q define /tmp/legacy.xml && virsh -q start legacy"
    )
    on_host(cloud, host, "sh", "-c", program)


def becomes(cloud: Cloud, server: str, status: str) -> None:
    """Wait until the server shows this, with no task."""

    def is_so() -> bool:
        found = hosts.show(cloud, server)
        return (found.status, found.task_state) == (status, None)

    eventually(is_so, within_s=90, what=f"the server is {status}")


def let_go(cloud: Cloud, server: str) -> None:
    """Release it where a test that failed did not."""
    path, body = f"/servers/{server}/action", {"cloudportal:release": None}
    if compute(cloud).get(f"/servers/{server}").status_code == 200:
        eventually(
            # As long as a task is under way it is refused.
            lambda: compute(cloud).post(path, json=body).status_code in {202, 404},
            within_s=90,
            what="its release",
        )
        hosts.wait_gone(cloud, server)


def on_host(cloud: Cloud, host: str, *words: str) -> str:
    return cloud.lab.run("exec", host, "--", *words).strip()


def dumped(cloud: Cloud, host: str) -> str:
    """Its kept definition, with its secrets."""
    return on_host(cloud, host, *["virsh", "dumpxml", "--inactive", "--security-info", "legacy"])


def without_mark(xml: str) -> str:
    begin, end = xml.find("<metadata>"), xml.find("</metadata>")
    return xml if begin < 0 else xml[:begin].rstrip() + xml[end + len("</metadata>") :]


def state_of(cloud: Cloud, host: str) -> str:
    return on_host(cloud, host, *["virsh", "-q", "domstate", "legacy"])


def started_at(cloud: Cloud, host: str) -> str:
    """What libvirt counts starts by; "-" while it is off."""
    return on_host(cloud, host, "virsh", "-q", "domid", "legacy")


def domains_of(cloud: Cloud, host: str) -> list[dict[str, Any]]:
    found = compute(cloud).get(f"/os-hypervisors/{id_of(cloud, host)}/cloudportal:domains")
    assert found.status_code == 200, found.text
    listed: list[dict[str, Any]] = found.json()["domains"]
    return listed


def adopt(cloud: Cloud, host: str, domain: str) -> Any:
    path = f"/os-hypervisors/{id_of(cloud, host)}/cloudportal:domains/{domain}/adopt"
    project = cloud.portal.connection("cloudportal").current_project_id
    return compute(cloud).post(path, json={"adopt": {"project_id": project}})


def release(cloud: Cloud, server: str) -> None:
    answer = compute(cloud).post(f"/servers/{server}/action", json={"cloudportal:release": None})
    assert answer.status_code == 202, answer.text


def is_listed_and_shown(cloud: Cloud, server: str, host: str) -> None:
    """By the member of its project, and with its host by the administrator."""
    listed = json.loads(cloud.portal.openstack("server", "list", "-f", "json", cloud="cloudportal"))
    assert [(each["ID"], each["Name"], each["Status"]) for each in listed] == [
        (server, "legacy", "ACTIVE")
    ]
    shown = hosts.show(cloud, server)
    assert (shown.power_state, shown.hypervisor_hostname) == (1, host)
    assert shown.instance_name == "legacy"


def compute(cloud: Cloud) -> Any:
    return hosts.admin_of(cloud).compute


def id_of(cloud: Cloud, host: str) -> str:
    found = [each for each in compute(cloud).hypervisors() if each.name == host]
    return str(found[0].id)

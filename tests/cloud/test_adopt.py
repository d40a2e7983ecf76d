"""A domain that was made by hand becomes a server of a project, and is let go again."""

from __future__ import annotations

import json
import re
import shlex
import uuid
from typing import Any

import pytest

from servers.config_drive import GuestFacts, config_drive
from tests.cloud import hosts
from tests.cloud.conftest import Cloud, image_file
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]

FOLDER = "/var/lib/libvirt/images"
DISK, DRIVE = f"{FOLDER}/legacy.qcow2", f"{FOLDER}/legacy.iso"
SERIAL = "/var/log/libvirt/qemu/legacy-serial.log"
# It runs at the first boot only: a guest that booted anew counts no more.
TICKING = b"#!/bin/sh\ni=0\nwhile [ $i -lt 900 ]; do i=$((i+1)); echo tick $i; sleep 1; done\n"
MISSING = 2


def test_a_domain_made_by_hand_is_adopted_and_released_as_it_was(empty_cloud):
    host, domain = empty_cloud.hosts[0]["name"], str(uuid.uuid4())
    define_by_hand(empty_cloud, host, domain)
    try:
        eventually(lambda: ticks(empty_cloud, host)[2:], within_s=120, what="the guest counts")
        kept, lively = dumped(empty_cloud, host), dumped(empty_cloud, host, live=True)

        is_offered(empty_cloud, host, domain)
        is_adopted_untouched(empty_cloud, host, domain)
        is_released_untouched(empty_cloud, host, domain, kept, lively)

        assert adopt(empty_cloud, host, domain).status_code == 202
        becomes(empty_cloud, domain, "ACTIVE")
        obeys_its_members(empty_cloud, host, domain)
        release(empty_cloud, domain)
        hosts.wait_gone(empty_cloud, domain)
        # What is saved of it goes on by hand, as a domain of nobody's cloud.
        assert dumped(empty_cloud, host) == kept
        virsh(empty_cloud, host, "start", "legacy")
        assert "cloudportal" not in dumped(empty_cloud, host, live=True)
        empty_cloud.slate.assert_clean()
    finally:
        let_go(empty_cloud, domain)
        virsh(empty_cloud, host, "destroy", "legacy")
        virsh(empty_cloud, host, "undefine", "legacy", "--managed-save")
        on_host(empty_cloud, host, "rm", "-f", DISK, DRIVE, SERIAL)


def is_offered(cloud: Cloud, host: str, domain: str) -> None:
    """To administrators alone, with what they choose by."""
    [found] = domains_of(cloud, host)
    assert (found["id"], found["name"], found["power_state"]) == (domain, "legacy", "running")
    assert (found["vcpus"], found["ram"], found["disks"][0]["source"]) == (1, 128, DISK)
    assert (found["suggested_flavor"]["name"], found["obstacle"]) == ("m1.tiny", None)
    member = cloud.portal.connection().compute
    path = f"/os-hypervisors/{id_of(cloud, host)}/cloudportal:domains"
    assert member.get(path).status_code == 403
    assert member.post(f"{path}/{domain}/adopt", json=wish(cloud)).status_code == 403


def is_adopted_untouched(cloud: Cloud, host: str, domain: str) -> None:
    """It is a server, with quota and room, and its guest has not noticed."""
    kept, lively = dumped(cloud, host), dumped(cloud, host, live=True)
    process, (vcpus, ram_mib) = process_of(cloud, host), claimed(cloud, host)

    assert adopt(cloud, host, domain).status_code == 202
    becomes(cloud, domain, "ACTIVE")
    assert adopt(cloud, host, domain).status_code == 409
    assert domains_of(cloud, host) == []
    is_listed_and_shown(cloud, domain, host)
    assert hosts.usage(cloud) == {"instances": 1, "cores": 1}
    assert claimed(cloud, host) == [vcpus + 1, ram_mib + 128]

    assert process_of(cloud, host) == process
    assert without_mark(dumped(cloud, host)) == kept
    assert without_mark(dumped(cloud, host, live=True)) == lively
    goes_on(cloud, host)


def is_released_untouched(cloud: Cloud, host: str, domain: str, kept: str, lively: str) -> None:
    """After a while as a server the guest is what it was before, and nothing is left of it."""
    process = process_of(cloud, host)
    portal = cloud.portal
    portal.openstack("server", "pause", domain)
    becomes(cloud, domain, "PAUSED")
    portal.openstack("server", "unpause", domain)
    becomes(cloud, domain, "ACTIVE")
    portal.openstack("server", "set", "--name", "heirloom", domain)
    eventually(lambda: "heirloom" in dumped(cloud, host), within_s=60, what="the new name")
    assert "release it instead" in portal.openstack("server", "delete", domain, check=False)

    release(cloud, domain)
    hosts.wait_gone(cloud, domain)
    cloud.slate.assert_clean()
    assert process_of(cloud, host) == process
    assert dumped(cloud, host) == kept
    # libvirt keeps an empty element in the running guest's until that next starts.
    assert dumped(cloud, host, live=True).replace("  <metadata/>\n", "") == lively
    goes_on(cloud, host)
    assert [each["obstacle"] for each in domains_of(cloud, host)] == [None]


def obeys_its_members(cloud: Cloud, host: str, domain: str) -> None:
    """Its power is theirs; in the end it is suspended."""
    portal = cloud.portal
    portal.openstack("server", "stop", domain)
    becomes(cloud, domain, "SHUTOFF")
    assert virsh(cloud, host, "domstate", "legacy") == "shut off"
    portal.openstack("server", "start", domain)
    becomes(cloud, domain, "ACTIVE")
    process = process_of(cloud, host)
    portal.openstack("server", "reboot", "--hard", domain)
    becomes(cloud, domain, "ACTIVE")
    assert process_of(cloud, host) not in {process, ""}
    portal.openstack("server", "suspend", domain)
    becomes(cloud, domain, "SUSPENDED")


def define_by_hand(cloud: Cloud, host: str, domain: str) -> None:
    """A small domain that counts, with disks outside all pools, as somebody made it with virsh."""
    facts = GuestFacts(
        server_id=domain, name="legacy", hostname="legacy", project_id="", availability_zone="",
        launch_index=0, metadata={}, network_data={}, random_seed=b"", user_data=TICKING,
    )  # fmt: skip
    drive = cloud.portal.var / "legacy.iso"
    drive.write_bytes(config_drive(facts))
    xml = f"""<domain type='qemu'><name>legacy</name><uuid>{domain}</uuid>
<memory unit='MiB'>128</memory><vcpu>1</vcpu><os><type arch='x86_64'>hvm</type></os>
<features><acpi/></features><devices>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
<source file='{DISK}'/><target dev='vda' bus='virtio'/></disk>
<disk type='file' device='disk'><driver name='qemu' type='raw'/>
<source file='{DRIVE}'/><target dev='vdb' bus='virtio'/><readonly/></disk>
<serial type='pty'><log file='{SERIAL}' append='on'/></serial><console type='pty'/>
<graphics type='vnc' port='-1' autoport='yes' passwd='keep-me'/></devices></domain>"""
    program = (
        f"mkdir -p {FOLDER} && cp {image_file()} {DISK} && cp {drive} {DRIVE} && "
        f"printf %s {shlex.quote(xml)} > /tmp/legacy.xml && "
        "virsh -q define /tmp/legacy.xml && virsh -q start legacy"
    )
    on_host(cloud, host, "sh", "-c", program)


def ticks(cloud: Cloud, host: str) -> list[int]:
    """What the guest has counted so far, by its own serial line."""
    log = on_host(cloud, host, "sh", "-c", f"cat {SERIAL} 2>/dev/null || true")
    return [int(number) for number in re.findall(r"^tick (\d+)\s*$", log, re.MULTILINE)]


def goes_on(cloud: Cloud, host: str) -> None:
    """The guest counts on where it was, without a gap to speak of."""
    before = ticks(cloud, host)[-1]
    eventually(lambda: ticks(cloud, host)[-1] > before, within_s=30, what="the guest counts on")
    counted = ticks(cloud, host)
    assert counted == sorted(set(counted)), "it counted anew"
    assert counted[-1] - counted[0] + 1 - len(counted) <= MISSING


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


def virsh(cloud: Cloud, host: str, *words: str) -> str:
    return on_host(cloud, host, "virsh", "-q", *words)


def dumped(cloud: Cloud, host: str, *, live: bool = False) -> str:
    """Its kept definition, or the running guest's, with its secrets."""
    which = [] if live else ["--inactive"]
    return virsh(cloud, host, "dumpxml", *which, "--security-info", "legacy")


def without_mark(xml: str) -> str:
    begin, end = xml.find("<metadata>"), xml.find("</metadata>")
    return xml if begin < 0 else xml[:begin].rstrip() + xml[end + len("</metadata>") :]


def process_of(cloud: Cloud, host: str) -> str:
    """The QEMU that runs it; another one at each start."""
    return on_host(cloud, host, "cat", "/run/libvirt/qemu/legacy.pid")


def claimed(cloud: Cloud, host: str) -> list[int]:
    """What is taken of the host, by the list of hypervisors."""
    found = compute(cloud).get(f"/os-hypervisors/{id_of(cloud, host)}", microversion="2.53").json()
    return [found["hypervisor"][name] for name in ("vcpus_used", "memory_mb_used")]


def domains_of(cloud: Cloud, host: str) -> list[dict[str, Any]]:
    found = compute(cloud).get(f"/os-hypervisors/{id_of(cloud, host)}/cloudportal:domains")
    assert found.status_code == 200, found.text
    listed: list[dict[str, Any]] = found.json()["domains"]
    return listed


def adopt(cloud: Cloud, host: str, domain: str) -> Any:
    path = f"/os-hypervisors/{id_of(cloud, host)}/cloudportal:domains/{domain}/adopt"
    return compute(cloud).post(path, json=wish(cloud))


def wish(cloud: Cloud) -> dict[str, Any]:
    """Into the member's project."""
    return {"adopt": {"project_id": cloud.portal.connection().current_project_id}}


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

"""Servers with NUMA nodes and dedicated processors, as users ask and as hosts have them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest

from tests.cloud import blink, hosts
from tests.cloud.conftest import Cloud
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]

ADMIN = "cloudportal-admin"


@pytest.fixture
def flavor(empty_cloud) -> Iterator[str]:
    name = f"pinned-{uuid.uuid4().hex[:6]}"
    wishes = ("--property", "hw:cpu_policy=dedicated", "--property", "hw:numa_nodes=1")
    size = ("--vcpus", "1", "--ram", "128", "--disk", "1")
    # At 2.86 and later names and values of extra specs are checked at once.
    version = ("--os-compute-api-version", "2.86")
    empty_cloud.portal.openstack(*version, "flavor", "create", *size, *wishes, name, cloud=ADMIN)
    yield name
    empty_cloud.portal.openstack("flavor", "delete", name, cloud=ADMIN)


def test_each_vcpu_has_a_processor_of_its_own_until_there_are_no_more(empty_cloud, flavor):
    cloud, host = empty_cloud, empty_cloud.hosts[0]["name"]
    processors = cells(cloud, host)

    with hosts.only(cloud, host):
        servers = [ask(cloud, flavor) for _ in processors]
        for server in servers:
            hosts.wait_for_status(cloud, server, "ACTIVE")
        one_too_many = ask(cloud, flavor)
        refused = hosts.wait_for_status(cloud, one_too_many, "ERROR")

    assert "numa_topology removed 1" in refused.fault["message"]
    pins = {server: pinned_to(cloud, host, server) for server in servers}
    assert sorted(pins.values()) == sorted(processors)
    first = servers[0]
    assert "nodeset='0'" in definition(cloud, host, first).replace('"', "'")
    assert topology(cloud, first, ADMIN) == {
        "nodes": [
            {
                "vcpu_set": [0],
                "siblings": [],
                "memory_mb": 128,
                "host_node": 0,
                "cpu_pinning": {"0": pins[first]},
            }
        ],
        "pagesize_kb": None,
    }
    eventually(lambda: blink.UP in log(cloud, first), within_s=240, what="its guest is up")

    # The processor of a server that goes is the next one's.
    hosts.delete(cloud, one_too_many)
    hosts.delete(cloud, first)
    hosts.wait_gone(cloud, first)
    with hosts.only(cloud, host):
        next_one = ask(cloud, flavor)
        hosts.wait_for_status(cloud, next_one, "ACTIVE")
    assert pinned_to(cloud, host, next_one) == pins[first]

    for server in (*servers[1:], next_one):
        hosts.delete(cloud, server)
        hosts.wait_gone(cloud, server)
    cloud.slate.assert_clean()


def ask(cloud: Cloud, flavor: str) -> str:
    name = f"numa-{uuid.uuid4().hex[:6]}"
    words = ("server", "create", "--image", blink.NAME, "--flavor", flavor, name)
    return str(cloud.portal.openstack_json(*words)["id"])


def cells(cloud: Cloud, host: str) -> list[int]:
    """The host's processors, as its last inventory has them."""
    program = (
        "import json\n"
        "from hypervisors.models import Hypervisor\n"
        "from hypervisors.numa import HostCell\n"
        f"host = Hypervisor.objects.get(name={host!r})\n"
        "cells = [HostCell.from_json(cell) for cell in host.capabilities['cells']]\n"
        "print(json.dumps([cpu for cell in cells for cpu in cell.cpus]))\n"
    )
    found: list[int] = hosts.ask(cloud, program)
    return found


def virsh(cloud: Cloud, host: str, verb: str, server: str) -> str:
    return cloud.lab.run("exec", host, "--", "virsh", "-q", verb, f"server-{server}").strip()


def pinned_to(cloud: Cloud, host: str, server: str) -> int:
    """The processor of its one vCPU, which its other threads have too."""
    [(vcpu, processor)] = [
        line.split() for line in virsh(cloud, host, "vcpupin", server).splitlines()
    ]
    assert vcpu == "0"
    assert virsh(cloud, host, "emulatorpin", server).split()[-1] == processor
    return int(processor)


def definition(cloud: Cloud, host: str, server: str) -> str:
    return virsh(cloud, host, "dumpxml", server)


def topology(cloud: Cloud, server: str, who: str) -> object:
    compute = cloud.portal.connection(who).compute
    answer = compute.get(f"/servers/{server}/topology", microversion="2.78")
    assert answer.status_code == 200, answer.text
    return json.loads(answer.text)


def log(cloud: Cloud, server: str) -> str:
    return str(cloud.portal.openstack("console", "log", "show", server))

"""Hosts for tests that need no real one."""

from itertools import count

from hypervisors.models import HostState, Hypervisor
from servers.models import Server
from tests.authorisation import OWN_PROJECT, OWNER

_numbers = count(1)


def make_hypervisor(**fields) -> Hypervisor:
    """A host that is up, with 8 CPUs, 16 GiB of memory and 100 GiB of disk."""
    number = next(_numbers)
    values = {
        "name": f"host{number}",
        "uri": f"qemu+ssh://root@host{number}/system",
        "state": HostState.UP,
        "host_ip": "10.0.0.1",
        "arch": "x86_64",
        "qemu_version": 7002000,
        "vcpus": 8,
        "ram_mib": 16384,
        "disk_gib": 100,
        **fields,
    }
    return Hypervisor.objects.create(**values)


def put_server_on(host: Hypervisor, **fields) -> Server:
    """A server that stands on the host, as far as the database knows."""
    values = {
        "project_id": OWN_PROJECT,
        "user_id": OWNER,
        "name": "s",
        "hostname": "s",
        "flavor": {},
        "reservation_id": "r",
        "hypervisor": host,
        **fields,
    }
    return Server.objects.create(**values)

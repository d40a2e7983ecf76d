"""Hosts for tests that need no real one."""

import datetime
from itertools import count
from uuid import uuid4

from hypervisors.guests import DiskSpec, FlavorRecord, GuestMetadata, GuestSpec
from hypervisors.models import HostState, Hypervisor
from hypervisors.pools import POOL
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


def guest_spec(**fields):
    """A guest with a root disk in the portal's pool."""
    uuid = uuid4()
    known = {
        "uuid": uuid,
        "name": f"server-{uuid}",
        "title": "one",
        "vcpus": 1,
        "ram_mib": 128,
        "machine": "pc-q35-7.2",
        "disks": (DiskSpec(POOL.name, f"{uuid}-root", "root"),),
        "metadata": GuestMetadata(
            server_id=str(uuid), name="one", project_id="p", project_name="demo", user_id="u",
            user_name="demo", flavor=FlavorRecord("1", "m1.tiny", 1, 128, 1), hostname="one",
            availability_zone="nova",
            created_at=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        ),
    }  # fmt: skip
    return GuestSpec(**{**known, **fields})

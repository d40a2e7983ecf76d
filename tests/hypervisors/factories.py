"""Hosts for tests that need no real one."""

from itertools import count

from hypervisors.models import HostState, Hypervisor

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

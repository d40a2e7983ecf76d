"""Hypervisor rows for scheduling tests; none of them is ever connected to."""

from itertools import count

from hypervisors.models import HostState, Hypervisor

_numbers = count(1)


def make_host(**fields) -> Hypervisor:
    number = next(_numbers)
    facts = {
        "name": f"host-{number:04d}",
        "uri": f"qemu+ssh://root@host-{number}/system",
        "state": HostState.UP,
        "arch": "x86_64",
        "domain_type": "kvm",
        "vcpus": 8,
        "ram_mib": 8192,
        "disk_gib": 100,
        "cpu_ratio": 1.0,
        "reserved_ram_mib": 0,
    }
    return Hypervisor.objects.create(**{**facts, **fields})

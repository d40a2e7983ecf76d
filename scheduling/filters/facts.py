"""Facts of hosts as expressions, under the names of the compute service's scheduler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import F, FloatField, TextField, Value
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import Cast, Coalesce

MIB_PER_GIB = 1024


@dataclass(frozen=True)
class Fact:
    """An expression over Hypervisor rows that is never null; a number is compared as a float."""

    expression: Callable[[], Any]
    is_number: bool = True


def _column(name: str) -> Fact:
    return Fact(lambda: Cast(F(name), FloatField()))


def _text(name: str) -> Fact:
    return Fact(lambda: F(name), is_number=False)


def _free(resource: str, factor: int = 1) -> Fact:
    def expression() -> Any:
        parts = (resource, f"reserved_{resource}", f"{resource}_used")
        total, reserved, used = (Cast(F(part), FloatField()) for part in parts)
        return (total - reserved - used) * Value(float(factor))

    return Fact(expression)


def known(*path: str) -> Any:
    """A part of the host's capabilities as text: JSON for a list or an object, "" without it."""
    *outer, last = path
    inside: Any = "capabilities"
    for key in outer:
        inside = KeyTransform(key, inside)
    text = KeyTextTransform(last, inside)
    return Coalesce(Cast(text, TextField()), Value("", output_field=TextField()))


def _known(*path: str) -> Fact:
    return Fact(lambda: known(*path), is_number=False)


# What the hosts themselves are called, and what changes from moment to moment.
FACTS: Mapping[str, Fact] = {
    "free_ram_mb": _free("ram_mib"),
    "free_disk_mb": _free("disk_gib", MIB_PER_GIB),
    "total_usable_ram_mb": _column("ram_mib"),
    "total_usable_disk_gb": _column("disk_gib"),
    "vcpus": _column("vcpus"),
    "vcpus_total": _column("vcpus"),
    "vcpus_used": _column("vcpus_used"),
    "num_instances": _column("running_servers"),
    "failed_builds": _column("build_failures"),
    "cpu_allocation_ratio": _column("cpu_ratio"),
    "ram_allocation_ratio": _column("ram_ratio"),
    "disk_allocation_ratio": _column("disk_ratio"),
    "hypervisor_version": _column("qemu_version"),
    "hypervisor_hostname": _text("hostname"),
    "nodename": _text("hostname"),
    "host": _text("name"),
    "host_ip": _text("host_ip"),
}
# Of these many hosts have the same, so that the values there are can be read and compared.
KINDS: Mapping[str, Fact] = {
    "hypervisor_type": Fact(lambda: Value("QEMU", output_field=TextField()), is_number=False),
    "cpu_info:arch": _text("arch"),
    "cpu_info:vendor": _known("cpu_vendor"),
    "cpu_info:model": _known("cpu_model"),
    "cpu_info:features": _known("cpu_features"),
    "cpu_info:topology:sockets": _known("topology", "sockets"),
    "cpu_info:topology:cores": _known("topology", "cores"),
    "cpu_info:topology:threads": _known("topology", "threads"),
}

"""How much memory, CPU and disk is unclaimed? More is better: servers spread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import F, FloatField, Value
from django.db.models.functions import Cast, Greatest

from scheduling.request_spec import RequestSpec, booked_of
from scheduling.weighers import Weigher


def _free(resource: str, ratio: str) -> Callable[[RequestSpec], Any]:
    def value(spec: RequestSpec) -> Any:
        free = F(resource) * F(ratio) - F(f"reserved_{resource}") - F(f"{resource}_used")
        if spec.booked:
            free -= booked_of(spec, resource)
        return Greatest(Cast(free, FloatField()), Value(0.0))

    return value


RAM = Weigher("ram", 1.0, _free("ram_mib", "ram_ratio"))
CPU = Weigher("cpu", 1.0, _free("vcpus", "cpu_ratio"))
DISK = Weigher("disk", 1.0, _free("disk_gib", "disk_ratio"))

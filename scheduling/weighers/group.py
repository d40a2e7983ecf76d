"""How many servers of the group are there already? More, or fewer, is better.

Heavier than all other weighers together: a soft policy gives way to filters alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import Case, FloatField, Value, When

from scheduling.request_spec import RequestSpec
from scheduling.weighers import Weigher


def _members(policy: str, *, fewer_is_better: bool) -> Callable[[RequestSpec], Any]:
    def value(spec: RequestSpec) -> Any:
        group = spec.group
        if group is None or group.policy != policy or not group.hosts:
            return Value(0.0, output_field=FloatField())
        most = max(group.hosts.values())
        by_number: dict[int, list[int]] = {}
        for host, servers in group.hosts.items():
            by_number.setdefault(servers, []).append(host)
        return Case(
            *(
                When(
                    pk__in=hosts, then=Value(float(most - servers if fewer_is_better else servers))
                )
                for servers, hosts in by_number.items()
            ),
            default=Value(float(most) if fewer_is_better else 0.0),
            output_field=FloatField(),
        )

    return value


TOGETHER = Weigher("soft_affinity", 100.0, _members("soft-affinity", fewer_is_better=False))
APART = Weigher("soft_anti_affinity", 100.0, _members("soft-anti-affinity", fewer_is_better=True))

"""Groups of servers, as placement sees them: the servers' room tells, since this one knows none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol
from uuid import UUID

from django.db.models import Count

from scheduling.models import Allocation
from scheduling.request_spec import GroupNeeds, RequestSpec


@dataclass(frozen=True)
class GroupOfServers:
    """A server's group: its policy, how many may share a host, and the other members."""

    policy: str
    max_per_host: int
    others: tuple[UUID, ...]


class Teller(Protocol):
    """Says which group a server is in; with `lock` it keeps others from placing its members."""

    def __call__(self, server_id: UUID, *, lock: bool) -> GroupOfServers | None:
        """The group, or None."""


_tellers: list[Teller] = []


def register_groups(teller: Teller) -> None:
    """Have it asked at every placement."""
    if teller not in _tellers:
        _tellers.append(teller)


def with_group(spec: RequestSpec, server_id: UUID, *, lock: bool) -> RequestSpec:
    """The request with what the server's group asks of hosts at this moment.

    With `lock`, inside the caller's transaction: what it says stays true until that ends, since
    every placement of a member waits here. Allocations tell where the others are, for they are
    written with the claim, before anything else of a server is at its host.
    """
    for teller in _tellers:
        group = teller(server_id, lock=lock)
        if group is not None:
            held = Allocation.objects.filter(server_id__in=group.others).order_by()
            there = held.values_list("hypervisor").annotate(servers=Count("pk"))
            needs = GroupNeeds(group.policy, group.max_per_host, dict(there))
            return replace(spec, group=needs)
    return spec

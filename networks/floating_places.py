"""Where floating IPs are: on the host of the server that each leads to, and nowhere else.

No operation on servers says so. What the rows of floating IPs and ports ask for is compared with
the places noted; the difference becomes places that begin or end, and each host concerned makes its
own what is noted of it. So it does not matter which way a server came to its host, and nothing is
lost if any of it is done late, twice or not at all.
"""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from hypervisors.look import HostLook
from hypervisors.models import HostState, Hypervisor
from networks.models import FloatingIP, FloatingPlace, PortStatus
from operations.enqueue import AlreadyAtWork, enqueue

PLACE, APPLY = "network.place_floating_ips", "network.apply_floating_ips"
# How soon what nobody told of is noticed: a server that has moved, or has come to its host.
PLACE_EVERY_S = 3.0
# Hosts are told again, whatever they said: somebody may have emptied their tables by hand.
AGAIN_EVERY_S = 300.0
# The hosts that this process has seen up since they were last away.
_seen: set[int] = set()
_PLACING = uuid.UUID("2b7d3a52-96a4-4b8e-8d8b-7a1d6fd0c3e4")


def wanted() -> QuerySet[FloatingIP]:
    """The floating IPs that a host should have: they lead to an address plugged in there."""
    return FloatingIP.objects.filter(
        port__status=PortStatus.ACTIVE, port__fixed_ips__address=F("fixed_address")
    ).exclude(port__host="")


def placed(rows: QuerySet[FloatingIP]) -> QuerySet[FloatingIP]:
    """Annotate `is_placed`: whether the host of its server has it."""
    there = FloatingPlace.objects.filter(
        address=OuterRef("address"),
        fixed_address=OuterRef("fixed_address"),
        port_id=OuterRef("port"),
        host=OuterRef("port__host"),
        is_leaving=False,
        applied__gt=0,
    )
    return rows.annotate(is_placed=Exists(there))


def let_go(rows: QuerySet[FloatingIP], *, now: datetime, request_id: str = "") -> None:
    """Let these lead nowhere; inside the caller's transaction."""
    changed = rows.filter(port__isnull=False).update(
        port=None,
        fixed_address=None,
        router=None,
        updated_at=now,
        revision=F("revision") + 1,
    )
    if changed:
        wake_places(now=now, request_id=request_id)


def wake_places(*, now: datetime, request_id: str = "") -> None:
    """Have the places compared, unless that is under way; then the timer sees what it missed."""
    try:
        enqueue(PLACE, subject=_PLACING, params={}, request_id=request_id, now=now)
    except AlreadyAtWork:
        return


def sweep_places(now: datetime) -> None:
    """Have done what nobody is at."""
    if _missing().exists() or _obsolete().exists() or due_places().exists():
        wake_places(now=now)


def again(now: datetime) -> None:
    """Have every host told once more."""
    if FloatingPlace.objects.update(wanted=F("wanted") + 1):
        wake_places(now=now)


def again_on(host: str, *, now: datetime) -> None:
    """Have this host told once more: it was away, and may have forgotten."""
    if FloatingPlace.objects.filter(host=host).update(wanted=F("wanted") + 1):
        wake_places(now=now)


def notice(look: HostLook) -> None:
    """Have a host told once more when it is seen for the first time, or again after it was away."""
    key = look.hypervisor.pk
    if look.is_up and key not in _seen:
        again_on(look.hypervisor.name, now=look.seen_at)
        _seen.add(key)
    elif not look.is_up:
        _seen.discard(key)


def again_for(ports: list[uuid.UUID], *, now: datetime) -> None:
    """Have the hosts of these ports told again: what may reach the ports has changed."""
    if FloatingPlace.objects.filter(port_id__in=ports).update(wanted=F("wanted") + 1):
        wake_places(now=now)


def due_places() -> QuerySet[FloatingPlace]:
    """The places that their hosts have not been told of."""
    return FloatingPlace.objects.exclude(wanted=F("applied"))


def _missing() -> QuerySet[FloatingIP]:
    there = FloatingPlace.objects.filter(
        address=OuterRef("address"),
        fixed_address=OuterRef("fixed_address"),
        port_id=OuterRef("port"),
        host=OuterRef("port__host"),
        is_leaving=False,
    )
    return wanted().filter(~Exists(there))


def _obsolete() -> QuerySet[FloatingPlace]:
    asked = wanted().filter(
        address=OuterRef("address"),
        fixed_address=OuterRef("fixed_address"),
        port=OuterRef("port_id"),
        port__host=OuterRef("host"),
    )
    return FloatingPlace.objects.filter(~Exists(asked), is_leaving=False)


def compare(now: datetime) -> None:
    """Note where places begin and end; what cannot begin yet is left for the next time."""
    with transaction.atomic():
        hosts = Hypervisor.objects.values_list("name", flat=True)
        FloatingPlace.objects.exclude(host__in=hosts).delete()
        _obsolete().update(is_leaving=True, wanted=F("wanted") + 1)
        for row in _missing().select_related("port", "subnet", "network"):
            _begin(row, now)


def _begin(row: FloatingIP, now: datetime) -> None:
    """Note the place, unless a host that answers has the address still."""
    assert row.port is not None  # noqa: S101 - by the query; for the types
    before = FloatingPlace.objects.filter(address=row.address)
    elsewhere = before.exclude(host=row.port.host)
    answering = Hypervisor.objects.filter(state=HostState.UP, is_forced_down=False)
    if elsewhere.filter(Q(is_leaving=False) | Q(host__in=answering.values("name"))).exists():
        return
    fixed = row.port.fixed_ips.select_related("subnet").filter(address=row.fixed_address).first()
    if fixed is None:
        return
    facts = {
        "fixed_address": row.fixed_address,
        "cidr": fixed.subnet.cidr,
        "port_id": row.port.pk,
        "physical_network": row.network.physical_network,
        "gateway_ip": row.subnet.gateway_ip,
        "is_leaving": False,
        "applied": 0,
    }
    here = before.filter(host=row.port.host)
    if not here.update(**facts, wanted=F("wanted") + 1):
        FloatingPlace.objects.create(
            host=row.port.host, address=row.address, created_at=now, **facts
        )


def tell_all(*, now: datetime) -> None:
    """Have every host told, also of having none: it may have some that no row knows of."""
    for hypervisor_id in Hypervisor.objects.values_list("pk", flat=True):
        _tell(hypervisor_id, now=now, request_id="", anyhow=True)


def wake_hosts(*, now: datetime, request_id: str = "") -> None:
    """Have every host with places that it was not told of made so."""
    names = due_places().order_by().values_list("host", flat=True).distinct()
    for hypervisor_id in Hypervisor.objects.filter(name__in=names).values_list("pk", flat=True):
        _tell(hypervisor_id, now=now, request_id=request_id, anyhow=False)


def _tell(hypervisor_id: int, *, now: datetime, request_id: str, anyhow: bool) -> None:
    try:
        enqueue(
            APPLY,
            subject=uuid.uuid5(_PLACING, f"hypervisor {hypervisor_id}"),
            params={"hypervisor": hypervisor_id, "anyhow": anyhow},
            request_id=request_id,
            now=now,
        )
    except AlreadyAtWork:
        return

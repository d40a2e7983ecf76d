"""On which hosts the networks are that lie on several: from the first port there until the last.

Whoever brings a port to a host notes it before anything is made there, and forgets it when all of
it has been taken off. So a host has such a network for as long as a port is noted; the others are
told when one more has it, or one less.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet

from hypervisors.errors import HostBusy
from hypervisors.look import HostLook
from hypervisors.models import Hypervisor
from networks.models import Network, NetworkPlace, NetworkType, Port, PortPlace, PortStatus
from operations.enqueue import AlreadyAtWork, enqueue

APPLY = "network.apply_networks"
# How soon what nobody told of is noticed.
SWEEP_EVERY_S = 3.0
# Hosts are told again, whatever they said: somebody may have changed something there by hand.
AGAIN_EVERY_S = 900.0
# The hosts that this process has seen up since they were last away.
_seen: set[int] = set()
_PLACING = uuid.UUID("7d0a1c1e-3d6e-4f43-9f0e-6a5f8d0b9e31")


def note_ports(
    ports: Iterable[Port], hypervisor: Hypervisor, *, now: datetime, tell_host: bool = False
) -> None:
    """The host is about to have these ports; their networks are to be fetched with them.

    Whoever notes them makes the networks there, else `tell_host`.

    Raises:
        HostBusy: it is just letting go of one of the networks; a little later it has.
    """
    networks: dict[UUID, list[Port]] = {}
    for port in ports:
        if port.network.type != NetworkType.NAT:
            networks.setdefault(port.network_id, []).append(port)
    # In one order, so that two callers never wait for each other.
    for network_id in sorted(networks):
        _note(network_id, networks[network_id], hypervisor, now)
    if tell_host and networks:
        again_on(hypervisor, now=now)


def _note(network_id: UUID, ports: Collection[Port], hypervisor: Hypervisor, now: datetime) -> None:
    with transaction.atomic():
        _lock(network_id)
        rows = NetworkPlace.objects.filter(network_id=network_id)
        _, is_new = rows.get_or_create(
            network_id=network_id, hypervisor=hypervisor, defaults={"applied": 1}
        )
        # Held until the ports are noted: whoever takes the network away looks for them first.
        place = rows.select_for_update().filter(hypervisor=hypervisor).first()
        if place is None or place.is_leaving:
            raise HostBusy("The server's host is just letting go of the network.")
        PortPlace.objects.bulk_create(
            [
                PortPlace(port_id=port.pk, network_id=network_id, hypervisor=hypervisor)
                for port in ports
            ],
            ignore_conflicts=True,
        )
        if is_new:
            rows.exclude(pk=place.pk).update(wanted=F("wanted") + 1)
            wake_hosts(now=now)


def _lock(network_id: UUID) -> None:
    """One at a time changes where a network is: of two who come at once neither saw the other."""
    Network.objects.select_for_update(no_key=True).filter(pk=network_id).first()


def forget_ports(port_ids: Iterable[UUID], hypervisor: Hypervisor, *, now: datetime) -> None:
    """The host has nothing of these ports any more; ports that it never had are fine."""
    gone, _ = PortPlace.objects.filter(port_id__in=list(port_ids), hypervisor=hypervisor).delete()
    if gone:
        end_places(now=now)


def end_places(*, now: datetime) -> None:
    """Have the networks taken off the hosts where they have no port any more."""
    for pk in _without_ports().values_list("pk", flat=True):
        with transaction.atomic():
            # Held and looked at again: somebody may be noting a port right now.
            place = NetworkPlace.objects.select_for_update().filter(pk=pk).first()
            if place is not None and _without_ports().filter(pk=pk).exists():
                NetworkPlace.objects.filter(pk=pk).update(is_leaving=True, wanted=F("wanted") + 1)
    wake_hosts(now=now)


def _without_ports() -> QuerySet[NetworkPlace]:
    ports = PortPlace.objects.filter(
        network_id=OuterRef("network_id"), hypervisor=OuterRef("hypervisor")
    )
    return NetworkPlace.objects.filter(~Exists(ports), is_leaving=False)


def has_left(place: NetworkPlace, *, now: datetime, request_id: str = "") -> None:
    """The host has nothing of the network any more; the others that have it are told."""
    with transaction.atomic():
        _lock(place.network_id)
        NetworkPlace.objects.filter(pk=place.pk, is_leaving=True).delete()
        others = NetworkPlace.objects.filter(network_id=place.network_id)
        if others.update(wanted=F("wanted") + 1):
            wake_hosts(now=now, request_id=request_id)


def due_places() -> QuerySet[NetworkPlace]:
    """The places that their hosts have not been told of."""
    return NetworkPlace.objects.exclude(wanted=F("applied"))


def sweep_places(now: datetime) -> None:
    """Have done what nobody is at."""
    if _without_ports().exists():
        end_places(now=now)
    elif due_places().exists():
        wake_hosts(now=now)


def again(now: datetime) -> None:
    """Have every host told once more, and put right what nobody noted or forgot.

    So it is where somebody died in between, or where the database is older than the hosts.
    """
    bound = Port.objects.filter(pk=OuterRef("port_id")).exclude(device_id="")
    PortPlace.objects.filter(~Exists(bound)).delete()
    _note_missing(now)
    for network_id in (
        NetworkPlace.objects.order_by().values_list("network_id", flat=True).distinct()
    ):
        with transaction.atomic():
            _lock(network_id)
            NetworkPlace.objects.filter(network_id=network_id).update(wanted=F("wanted") + 1)
    sweep_places(now)


def _note_missing(now: datetime) -> None:
    noted = PortPlace.objects.filter(port_id=OuterRef("pk"), hypervisor__name=OuterRef("host"))
    plugged = Port.objects.filter(~Exists(noted), status=PortStatus.ACTIVE)
    missing = plugged.exclude(network__type=NetworkType.NAT).select_related("network")
    hosts = {host.name: host for host in Hypervisor.objects.filter(name__in=missing.values("host"))}
    for port in missing:
        if port.host in hosts:
            with suppress(HostBusy):
                note_ports([port], hosts[port.host], now=now, tell_host=True)


def notice(look: HostLook) -> None:
    """Have a host told once more when it is seen for the first time, or again after it was away.

    What libvirt makes is there again after a boot; what joins it to other hosts is not.
    """
    key = look.hypervisor.pk
    if look.is_up and key not in _seen:
        again_on(look.hypervisor, now=look.seen_at)
        _seen.add(key)
    elif not look.is_up:
        _seen.discard(key)


def again_on(hypervisor: Hypervisor, *, now: datetime) -> None:
    """Have this host told once more: it was away, or something is somewhere else there."""
    # One by one: a row at a time waits for nobody who holds another.
    for pk in NetworkPlace.objects.filter(hypervisor=hypervisor).values_list("pk", flat=True):
        NetworkPlace.objects.filter(pk=pk).update(wanted=F("wanted") + 1)
    wake_hosts(now=now)


def wake_hosts(*, now: datetime, request_id: str = "") -> None:
    """Have every host with places that it was not told of made so."""
    hosts = due_places().order_by("hypervisor_id").values_list("hypervisor_id", flat=True)
    # In one order, so that two who wake the same hosts never wait for each other.
    for pk in hosts.distinct():
        try:
            enqueue(
                APPLY,
                subject=uuid.uuid5(_PLACING, f"hypervisor {pk}"),
                params={"hypervisor": pk},
                request_id=request_id,
                now=now,
            )
        except AlreadyAtWork:
            continue

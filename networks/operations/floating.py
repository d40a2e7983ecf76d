"""Floating IPs come to hosts: compared for all, then brought to each host by itself."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from hypervisors.errors import HostCannot
from hypervisors.floating import FloatingAddress, apply_floating
from hypervisors.links import FilterRule
from hypervisors.models import Hypervisor, PhysicalNetwork
from networks.floating_places import APPLY, PLACE, compare, due_places, wake_hosts, wake_places
from networks.models import FloatingPlace, Port
from networks.packet_rules import port_filters
from operations.kinds import Context, Kind, Step


def _compare(context: Context) -> None:
    """Note where places begin and end."""
    compare(timezone.now())


def _wake(context: Context) -> None:
    """Have their hosts told."""
    wake_hosts(now=timezone.now(), request_id=context.request_id)


def _apply(context: Context) -> None:
    """Let the host have what is noted of it, until nothing has changed meanwhile."""
    host = Hypervisor.objects.filter(pk=context.params["hypervisor"]).first()
    if host is not None and context.params.get("anyhow"):
        _apply_once(host, context)
    while host is not None and due_places().filter(host=host.name).exists():
        _apply_once(host, context)


def _apply_once(host: Hypervisor, context: Context) -> None:
    """One address that the host cannot have holds up no other.

    Raises:
        HostCannot: there is such an address.
    """
    places = list(FloatingPlace.objects.filter(host=host.name).order_by("pk"))
    staying = [each for each in places if not each.is_leaving]
    leaving = [each for each in places if each.is_leaving]
    refused = apply_floating(host, floating_addresses(staying), [each.address for each in leaving])
    with transaction.atomic():
        for place in staying:
            if place.address in refused:
                continue
            # As of the time of reading; more may be wanted by now.
            told = FloatingPlace.objects.filter(pk=place.pk, fixed_address=place.fixed_address)
            told.update(applied=place.wanted)
        for place in leaving:
            gone = FloatingPlace.objects.filter(pk=place.pk, is_leaving=True)
            gone.filter(wanted=place.wanted).delete()
    if leaving:
        # Elsewhere somebody may wait for the addresses.
        wake_places(now=timezone.now(), request_id=context.request_id)
    for address, reason in refused.items():
        raise HostCannot("The host cannot have a floating IP.", detail=f"{address}: {reason}")


def floating_addresses(places: Collection[FloatingPlace]) -> list[FloatingAddress]:
    """The places as their host makes them, with what their ports let in now."""
    ports = Port.objects.filter(pk__in=[each.port_id for each in places])
    filters = port_filters(list(ports.prefetch_related("fixed_ips")))
    rules = {key: None if each.is_open else each.rules for key, each in filters.items()}
    interfaces = _interfaces(places)
    return [_floating_address(each, rules, interfaces) for each in places]


def _interfaces(places: Collection[FloatingPlace]) -> dict[tuple[str, str], str]:
    """By host and physical network the interface there, where somebody has said which it is."""
    rows = PhysicalNetwork.objects.filter(hypervisor__name__in={each.host for each in places})
    found = rows.values_list("hypervisor__name", "name", "interface")
    return {(host, name): interface for host, name, interface in found}


def _floating_address(
    place: FloatingPlace,
    rules: dict[UUID, tuple[FilterRule, ...] | None],
    interfaces: dict[tuple[str, str], str],
) -> FloatingAddress:
    return FloatingAddress(
        address=place.address,
        fixed_address=place.fixed_address,
        cidr=place.cidr,
        gateway=place.gateway_ip,
        uplink=interfaces.get((place.host, place.physical_network), place.physical_network),
        # A port that was just deleted lets nothing in.
        rules=rules.get(place.port_id, ()),
    )


PLACE_FLOATING_IPS = Kind(
    PLACE,
    # No undo: the places say what is so.
    steps=[Step("compare", _compare), Step("wake", _wake)],
    retries=None,
    deadline_s=None,
)
APPLY_FLOATING_IPS = Kind(
    APPLY,
    # No undo: nobody wants the old addresses back.
    steps=[Step("apply", _apply)],
    # The host may be away for weeks; the pauses between tries stay at half a minute.
    retries=None,
    deadline_s=None,
)

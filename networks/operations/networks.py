"""Networks of several hosts: brought up to date on each host by itself, or taken off it."""

from __future__ import annotations

from django.utils import timezone

from cloudportal.errors import CloudError
from hypervisors.errors import HostUnreachable
from hypervisors.models import Hypervisor
from networks.models import Network, NetworkPlace
from networks.network_places import APPLY, due_places, has_left
from networks.segments import ensure_network, remove_network
from operations.kinds import Context, Kind, Step


def _apply(context: Context) -> None:
    """Let the host have what is noted of it, until nothing has changed meanwhile."""
    host = Hypervisor.objects.filter(pk=context.params["hypervisor"]).first()
    while host is not None:
        places = list(due_places().filter(hypervisor=host).order_by("pk"))
        if not places:
            return
        _apply_all(host, places, context)


def _apply_all(host: Hypervisor, places: list[NetworkPlace], context: Context) -> None:
    """One network that the host refuses holds up no other.

    Raises:
        CloudError: what the host refused last.
    """
    refused: CloudError | None = None
    for place in places:
        context.checkpoint()
        try:
            _apply_one(host, place, context)
        except HostUnreachable:
            raise
        except CloudError as error:
            refused = error
    if refused is not None:
        raise refused


def _apply_one(host: Hypervisor, place: NetworkPlace, context: Context) -> None:
    if place.is_leaving:
        remove_network(host, place.network_id)
        has_left(place, now=timezone.now(), request_id=context.request_id)
        return
    network = Network.objects.filter(pk=place.network_id).prefetch_related("subnets").first()
    if network is not None:
        ensure_network(host, network, is_exact=True)
    # As of the time of reading; more may be wanted by now.
    NetworkPlace.objects.filter(pk=place.pk).update(applied=place.wanted)


APPLY_NETWORKS = Kind(
    APPLY,
    # No undo: the places say what is so.
    steps=[Step("apply", _apply)],
    # The host may be away for weeks; the pauses between tries stay at half a minute.
    retries=None,
    deadline_s=None,
)

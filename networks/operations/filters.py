"""Changed filters of ports: found out for all hosts, then brought to each by itself."""

from __future__ import annotations

from django.utils import timezone

from cloudportal.errors import CloudError
from hypervisors import links
from hypervisors.errors import HostUnreachable
from hypervisors.models import Hypervisor
from networks.floating_places import again_for
from networks.models import Port
from networks.packet_rules import port_filters
from networks.spread import APPLY, SPREAD, mark_changed, stale_ports, wake_hosts
from operations.kinds import Context, Kind, Step

_PORTS_AT_ONCE = 50


def _mark(context: Context) -> None:
    """Mark the ports that noted changes concern."""
    while mark_changed():
        continue


def _wake(context: Context) -> None:
    """Have their hosts do it."""
    wake_hosts(now=timezone.now(), request_id=context.request_id)


def _apply(context: Context) -> None:
    """Bring the filters of the host's marked ports up to date, until none is left.

    A filter that is not there is none to change: its server is being built or deleted.
    """
    host = Hypervisor.objects.filter(pk=context.params["hypervisor"]).first()
    last = None
    while host is not None:
        marked = stale_ports().filter(host=host.name).order_by("pk")
        rest = marked if last is None else marked.filter(pk__gt=last)
        ports = list(rest.prefetch_related("fixed_ips")[:_PORTS_AT_ONCE])
        if not ports:
            return
        _apply_to(host, ports)
        last = ports[-1].pk


def _apply_to(host: Hypervisor, ports: list[Port]) -> None:
    """One port that the host refuses holds up no other.

    Raises:
        CloudError: what the host refused last.
    """
    refused: CloudError | None = None
    specs = port_filters(ports)
    for port in ports:
        try:
            links.change_port_filter(host, specs[port.pk])
        except HostUnreachable:
            raise
        except CloudError as error:
            refused = error
            continue
        # What was wanted when the rules were read; more may be wanted by now.
        Port.objects.filter(pk=port.pk).update(
            filter_applied=port.filter_wanted, filter_applied_at=timezone.now()
        )
    # What may come in by a floating IP is a rule of the host itself.
    again_for([port.pk for port in ports], now=timezone.now())
    if refused is not None:
        raise refused


SPREAD_CHANGES = Kind(
    SPREAD,
    # No undo: the marks say what is so.
    steps=[Step("mark", _mark), Step("wake", _wake)],
    retries=None,
    deadline_s=None,
)
APPLY_FILTERS = Kind(
    APPLY,
    # No undo: nobody wants the old rules back.
    steps=[Step("apply", _apply)],
    # The host may be away for weeks; the pauses between tries stay at half a minute.
    retries=None,
    deadline_s=None,
)

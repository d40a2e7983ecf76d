"""Attach and detach an interface: the port's row is the truth, the guest and its host follow.

The port was bound when the attachment was asked for, and is given back when that fails. A
detachment goes forward once the guest has let the card go: what its host refuses then is a debt.
The params of both are what outlives the port's row: its id, its card's address, its network.
"""

from __future__ import annotations

import uuid
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from hypervisors import interfaces
from hypervisors.errors import GuestNotFound
from hypervisors.models import Hypervisor
from networks import wiring
from networks.errors import PortNotFound
from networks.interfaces import mark_port_active
from networks.models import Port
from networks.server_ports import release_server_port
from operations.enqueue import AlreadyAtWork, enqueue
from operations.kinds import Context, Kind, Step
from servers import history
from servers.guest_spec import guest_spec
from servers.interfaces import ATTACH, DETACH
from servers.models import Server
from servers.operations.facts import server_of

UNPLUG = "server.unplug_interface"
DEADLINE_S = 900.0
_EVENTS = {ATTACH: "compute_attach_interface", DETACH: "compute_detach_interface"}
_SPACE = uuid.UUID("0b1f2f0e-54b4-4c1e-9d7e-6a1f7b0c2d55")


def _host(context: Context) -> Hypervisor:
    """Where the server is.

    Raises:
        GuestNotFound: it is on no host.
    """
    host = server_of(context).hypervisor
    if host is None:
        raise GuestNotFound("The server is on no host.")
    return host


def _port(context: Context) -> Port:
    found = Port.objects.filter(pk=context.params["port"], device_id=str(context.subject)).first()
    if found is None:
        raise PortNotFound(f"Port id {context.params['port']} could not be found.")
    return found


def _begin(context: Context) -> dict[str, Any]:
    """Note the start of the event."""
    host = _host(context)
    history.begin_event(**_of_event(context, host.name), now=timezone.now())
    return {"host": host.name}


def _of_event(context: Context, host: str) -> dict[str, Any]:
    return {
        "server_id": context.subject,
        "request_id": context.request_id,
        "event": _EVENTS[context.kind],
        "host": host,
    }


def _give_back(context: Context) -> None:
    """The port is the server's no more; one made for it is deleted."""
    now = timezone.now()
    release_server_port(server_id=context.subject, port_id=UUID(context.params["port"]), now=now)
    # What the guest keeps of its server is written anew.
    Server.objects.change(context.subject, updated_at=now)


def _wire(context: Context) -> dict[str, Any]:
    """Make network and filter on the host."""
    wired = wiring.wire_port(hypervisor=_host(context), port=_port(context))
    return {"port": wired.to_json()}


def _unwire(context: Context) -> None:
    """Take DHCP entry and filter off the host."""
    wiring.unwire_ports(hypervisor=_host(context), facts=[context.params])


def _plug(context: Context) -> None:
    """Give the guest the card, and its address by DHCP; the guest asks for it seconds later."""
    server, host = server_of(context), _host(context)
    wired = wiring.WiredPort.from_json(context.outputs["wire"]["port"])
    interfaces.attach_interface(host, guest_spec(server, host, disks=[], wired=[wired]))
    leases = wiring.leases_of_port(_port(context))
    wiring.lease_addresses(hypervisor=host, leases=leases, hostname=server.hostname)


def _unplug(context: Context) -> None:
    """Take the card from the guest."""
    interfaces.detach_interface(_host(context), context.subject, mac=context.params["mac"])


def _end_attachment(context: Context) -> None:
    """The port carries traffic."""
    now = timezone.now()
    host = context.outputs["begin"]["host"]
    with transaction.atomic():
        mark_port_active(
            port_id=UUID(context.params["port"]), server_id=context.subject, host=host, now=now
        )
        Server.objects.change(context.subject, updated_at=now)
        history.end_event(**_of_event(context, host), now=now)


def _end_detachment(context: Context) -> None:
    """The port is free, or deleted."""
    with transaction.atomic():
        _give_back(context)
        host = context.outputs["begin"]["host"]
        history.end_event(**_of_event(context, host), now=timezone.now())


def _on_failed(context: Context, error: dict[str, Any]) -> None:
    """The action says that it failed; the server is as it was."""
    now = timezone.now()
    on = server_of(context).hypervisor
    host = (context.outputs.get("begin") or {}).get("host") or (on.name if on else "")
    message, detail = str(error.get("message", "")), str(error.get("detail", ""))
    history.end_event(**_of_event(context, host), error=message, now=now)
    history.mark_action_failed(server_id=context.subject, request_id=context.request_id, now=now)
    history.record_fault(server_id=context.subject, message=message, details=detail, now=now)


def _postpone(context: Context) -> None:
    """The host does its part when it is back."""
    host = server_of(context).hypervisor
    if host is not None:
        enqueue_unplug(
            server_id=context.subject,
            hypervisor=host,
            port={name: context.params[name] for name in ("port", "mac", "network")},
            request_id=context.request_id,
        )


def enqueue_unplug(
    *, server_id: UUID, hypervisor: Hypervisor, port: dict[str, Any], request_id: str
) -> None:
    """Book the debt of one interface on one host, once."""
    params = {"server": str(server_id), "hypervisor": hypervisor.pk, **port}
    try:
        enqueue(
            UNPLUG,
            subject=uuid.uuid5(_SPACE, f"{server_id} {hypervisor.pk} {port['port']}"),
            params=params,
            request_id=request_id,
            now=timezone.now(),
        )
    except AlreadyAtWork:
        return  # booked before


def _owing(context: Context, *, also_elsewhere: bool) -> Hypervisor | None:
    """The debt's host; None when nothing is owed: it is gone, or the port is wanted there again.

    A port made beforehand may have been given to the same server again meanwhile, or, which only
    its host's entries care for, to another one there.
    """
    params = context.params
    port = Port.objects.filter(pk=params["port"]).exclude(device_id="").first()
    if port is not None and (also_elsewhere or port.device_id == params["server"]):
        on_host = Server.objects.alive().filter(
            pk=port.device_id, hypervisor_id=params["hypervisor"]
        )
        if on_host.exists():
            return None
    return Hypervisor.objects.filter(pk=params["hypervisor"]).first()


def _pay_unplug(context: Context) -> None:
    """Take the card from the guest, if both are still there."""
    host = _owing(context, also_elsewhere=False)
    if host is not None:
        interfaces.detach_interface(host, UUID(context.params["server"]), mac=context.params["mac"])


def _pay_unwire(context: Context) -> None:
    """Take DHCP entry and filter off."""
    host = _owing(context, also_elsewhere=True)
    if host is not None:
        wiring.unwire_ports(hypervisor=host, facts=[context.params])


ATTACH_INTERFACE = Kind(
    ATTACH,
    steps=[
        Step("begin", _begin, _give_back),
        Step("wire", _wire, _unwire, on_host=True),
        Step("plug", _plug, _unplug, on_host=True),
        # Nothing outside the rows changes, and nothing follows it.
        Step("end", _end_attachment),
    ],
    retries=3,
    deadline_s=DEADLINE_S,
    on_failed=_on_failed,
    postpone=_postpone,
)
DETACH_INTERFACE = Kind(
    DETACH,
    steps=[
        Step("begin", _begin),
        # No undo: a guest that let the card go would not expect it back.
        Step("unplug", _unplug),
        Step("unwire", _unwire, on_host=True),
        Step("end", _end_detachment),
    ],
    retries=2,
    deadline_s=DEADLINE_S,
    on_failed=_on_failed,
    postpone=_postpone,
    postpone_do=True,
)
UNPLUG_INTERFACE = Kind(
    UNPLUG,
    steps=[
        # No undo anywhere: nobody wants any of it back.
        Step("unplug", _pay_unplug),
        Step("unwire", _pay_unwire),
    ],
    # The host may be away for weeks, and its guest may take as long to let go.
    retries=None,
    deadline_s=None,
)

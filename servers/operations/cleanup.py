"""A debt: what a server left on a host that was away when it should have been undone.

It waits for the host without an end, holding the server's claim there meanwhile: the guest may
still run, so the room is not free.
"""

from __future__ import annotations

import uuid
from typing import Any
from uuid import UUID

from django.utils import timezone

from hypervisors import disks, guests
from hypervisors.models import Hypervisor
from hypervisors.pools import shared_stores
from networks import wiring
from operations.enqueue import AlreadyAtWork, enqueue
from operations.kinds import Context, Kind, Step
from operations.models import UNFINISHED, Operation
from scheduling.place import release_server
from servers.models import Server

CLEANUP_NAME = "server.cleanup"
_DELETE = "server.delete"
_SPACE = uuid.UUID("6f0e4a6e-6b0c-4f5b-9a53-3c1d35a54a07")


def enqueue_cleanup(
    *, server_id: UUID, hypervisor: Hypervisor, ports: list[dict[str, Any]], request_id: str
) -> None:
    """Book the debt of one server on one host, once."""
    subject = uuid.uuid5(_SPACE, f"{server_id} {hypervisor.pk}")
    params = {"server": str(server_id), "hypervisor": hypervisor.pk, "ports": ports}
    try:
        enqueue(
            CLEANUP_NAME,
            subject=subject,
            params=params,
            request_id=request_id,
            now=timezone.now(),
        )
    except AlreadyAtWork:
        # Booked before; that one will do it.
        return


def _host(context: Context) -> Hypervisor | None:
    """None when the host was removed from the portal: then nothing of it is ours any more."""
    return Hypervisor.objects.filter(pk=context.params["hypervisor"]).first()


def remove_guest(context: Context) -> None:
    """Switch the guest off and undefine it."""
    host = _host(context)
    if host is not None:
        guests.remove_guest(host, UUID(context.params["server"]))


def delete_disks(context: Context) -> None:
    """Delete its volumes; not those that the host it is at now has, too."""
    host = _host(context)
    if host is not None:
        server_id = UUID(context.params["server"])
        disks.delete_disks(host, server_id, but_in=_used_elsewhere(server_id, host))


def _used_elsewhere(server_id: UUID, host: Hypervisor) -> frozenset[str]:
    """The host's stores that another one has, which has the server or is just being given it."""
    server = Server.objects.alive().select_related("hypervisor").filter(pk=server_id).first()
    if server is None or server.hypervisor_id == host.pk:
        return frozenset()
    if server.hypervisor is not None:
        return shared_stores(host, server.hypervisor)
    at_work = Operation.objects.filter(subject=server_id, state__in=UNFINISHED)
    return shared_stores(host) if at_work.exclude(kind=_DELETE).exists() else frozenset()


def unplug_ports(context: Context) -> None:
    """Take its DHCP entries and filters off."""
    host = _host(context)
    if host is not None:
        wiring.unwire_ports(hypervisor=host, facts=context.params["ports"])


def release_claim(context: Context) -> None:
    """Give back what was held there meanwhile."""
    release_server(
        server_id=UUID(context.params["server"]), hypervisor_id=context.params["hypervisor"]
    )


CLEANUP = Kind(
    CLEANUP_NAME,
    steps=[
        # No undo anywhere: nobody wants any of it back.
        Step("remove_guest", remove_guest),
        Step("delete_disks", delete_disks),
        Step("unplug_ports", unplug_ports),
        Step("release_claim", release_claim),
    ],
    # The host may be away for weeks; the pauses between tries stay at half a minute. What it
    # refuses is asked again too: administrators see it among the debts.
    retries=None,
    deadline_s=None,
)

"""Take a shelved server off its host; what a host that is away keeps of it becomes a debt.

Its ports, addresses and quota stay its own, and its root disk is an image.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from hypervisors import disks, guests
from hypervisors.models import Hypervisor
from networks import server_ports, wiring
from operations.kinds import Context, Kind, Step
from scheduling.place import release_server
from servers import history
from servers.models import Server
from servers.operations.base_image import queue_of_disks
from servers.operations.cleanup import enqueue_cleanup
from servers.operations.facts import server_of
from servers.states import PowerState, TaskState, VmState

OFFLOAD_NAME = "server.shelve_offload"
EVENT = "compute_shelve_offload_instance"
_OWN = (TaskState.SHELVING_OFFLOADING,)


def collect(context: Context) -> dict[str, Any]:
    """Note where the server is and what ports it has, while the rows are there to tell."""
    server = Server.objects.select_related("hypervisor").filter(pk=context.subject).first()
    host = server.hypervisor if server else None
    return {
        "hypervisor": host.pk if host else None,
        "host": host.name if host else "",
        "ports": wiring.port_facts(context.subject),
    }


def begin(context: Context) -> dict[str, Any]:
    """The same, with the start of the event."""
    found = collect(context)
    history.begin_event(**_event(context, found["host"]), now=timezone.now())
    return found


def host_left(context: Context) -> Hypervisor | None:
    """The host it is taken off; None when it is not, or the host was removed meanwhile."""
    left = context.outputs.get("collect")
    return Hypervisor.objects.filter(pk=left["hypervisor"]).first() if left else None


def remove_guest(context: Context) -> None:
    """Switch the guest off and undefine it."""
    host = host_left(context)
    if host is not None:
        guests.remove_guest(host, context.subject)


def disk_queue(context: Context) -> str:
    """Where disks are written over before they go, that is a transfer."""
    server = server_of(context)
    return queue_of_disks(server, server.hypervisor)


def delete_disks(context: Context) -> None:
    """Delete its volumes."""
    host = host_left(context)
    if host is not None:
        disks.delete_disks(host, context.subject)


def unplug_ports(context: Context) -> None:
    """Take its DHCP entries and filters off."""
    host = host_left(context)
    if host is not None:
        wiring.unwire_ports(hypervisor=host, facts=context.outputs["collect"]["ports"])


def release_claim(context: Context) -> None:
    """Give back what it held of the host."""
    host = host_left(context)
    if host is not None:
        release_server(server_id=context.subject, hypervisor_id=host.pk)


def mark_offloaded(context: Context) -> None:
    """The server is on no host any more."""
    now = timezone.now()
    with transaction.atomic():
        # An older definition found on a host later is known by its number.
        rows = Server.objects.alive().filter(pk=context.subject, task_state__in=_OWN)
        rows.update(
            vm_state=VmState.SHELVED_OFFLOADED,
            task_state=None,
            power_state=PowerState.NOSTATE,
            hypervisor=None,
            availability_zone="",
            generation=F("generation") + 1,
            updated_at=now,
        )
        server_ports.mark_ports_down(server_id=context.subject, now=now)


def end(context: Context) -> None:
    """The same, with the end of the event."""
    with transaction.atomic():
        mark_offloaded(context)
        host = context.outputs["collect"]["host"]
        history.end_event(**_event(context, host), now=timezone.now())


def postpone(context: Context) -> None:
    """The host is away: its part is done when it is back."""
    host = host_left(context)
    if host is not None:
        enqueue_cleanup(
            server_id=context.subject,
            hypervisor=host,
            ports=context.outputs["collect"]["ports"],
            request_id=context.request_id,
        )


def _event(context: Context, host: str) -> dict[str, Any]:
    return {
        "server_id": context.subject,
        "request_id": context.request_id,
        "event": EVENT,
        "host": host,
    }


# No undo anywhere: once its disk is an image it goes forward.
FROM_HOST = [
    Step("remove_guest", remove_guest, on_host=True),
    Step("delete_disks", delete_disks, on_host=True, queue=disk_queue),
    Step("unplug_ports", unplug_ports, on_host=True),
    Step("release_claim", release_claim, on_host=True),
]
OFFLOAD = Kind(
    OFFLOAD_NAME,
    steps=[Step("collect", begin), *FROM_HOST, Step("end", end)],
    retries=None,
    deadline_s=None,
    postpone=postpone,
    postpone_do=True,
)

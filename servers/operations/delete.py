"""Delete a server in any state: from its host, then from the books.

A host that is away keeps nobody waiting: its part becomes a debt, and the server is gone for its
user at once.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from hypervisors import capacity, disks, guests
from hypervisors.connections import hurried
from hypervisors.models import Hypervisor
from networks import server_ports, wiring
from operations.enqueue import supersede
from operations.errors import Wait
from operations.kinds import DEFAULT_QUEUE, Context, Kind, Step
from operations.models import UNFINISHED, Operation
from quotas.consume import release
from scheduling.models import Allocation
from scheduling.place import release_server
from servers import history
from servers.live_migration import end_moves
from servers.models import Server
from servers.moves import end_cold_moves
from servers.operations.attach_volume import RELEASE_NAME, RELEASED_FROM
from servers.operations.base_image import queue_of_disks
from servers.operations.cleanup import enqueue_cleanup
from servers.operations.disk_image import remove_images_of_gone
from servers.states import PowerState, VmState
from volumes.models import Attachment

EVENT = "compute_terminate_instance"


def collect(context: Context) -> dict[str, Any]:
    """Note where the server is and what ports it has, while the rows are there to tell.

    A build that was cut short may have left parts on other hosts too: each becomes a debt there.
    """
    hosts = _where(context)
    host = hosts[0] if hosts else None
    ports = wiring.port_facts(context.subject)
    for other in hosts[1:]:
        enqueue_cleanup(
            server_id=context.subject,
            hypervisor=other,
            ports=ports,
            request_id=context.request_id,
        )
    history.begin_event(
        server_id=context.subject,
        request_id=context.request_id,
        event=EVENT,
        host=host.name if host else "",
        now=timezone.now(),
    )
    return {
        "hypervisor": host.pk if host else None,
        "hypervisors": [each.pk for each in hosts],
        "host": host.name if host else "",
        "ports": ports,
    }


def _where(context: Context) -> list[Hypervisor]:
    """Its host first, then others with a claim; a build that died may have noted that alone."""
    server = Server.objects.select_related("hypervisor").filter(pk=context.subject).first()
    held = Allocation.objects.select_related("hypervisor").filter(server_id=context.subject)
    hosts = [each.hypervisor for each in held.order_by("-pk")]
    if server is not None and server.hypervisor is not None:
        hosts = [server.hypervisor, *(host for host in hosts if host != server.hypervisor)]
    return hosts


def _host(context: Context) -> Hypervisor | None:
    return Hypervisor.objects.filter(pk=context.outputs["collect"]["hypervisor"]).first()


def remove_guest(context: Context) -> None:
    """Switch the guest off and undefine it."""
    host = _host(context)
    if host is not None:
        with hurried():
            guests.remove_guest(host, context.subject)


def disk_queue(context: Context) -> str:
    """Where disks are written over before they go, that is a transfer."""
    server = Server.objects.filter(pk=context.subject).first()
    return DEFAULT_QUEUE if server is None else queue_of_disks(server, _host(context))


def delete_disks(context: Context) -> None:
    """Delete its volumes."""
    host = _host(context)
    if host is not None:
        with hurried():
            disks.delete_disks(host, context.subject)


def unplug_ports(context: Context) -> None:
    """Take its DHCP entries and filters off the host."""
    host = _host(context)
    if host is not None:
        with hurried():
            wiring.unwire_ports(hypervisor=host, facts=context.outputs["collect"]["ports"])


def release_claim(context: Context) -> None:
    """Give back what it held of the host; what others still owe keeps its claim there."""
    host = _host(context)
    if host is not None:
        release_server(server_id=context.subject, hypervisor_id=host.pk)


def release_volumes(context: Context) -> None:
    """Have its volumes let go, or deleted where they are to go with it; each by itself.

    Raises:
        Wait: one is being made larger, which is over soon.
    """
    held = Attachment.objects.filter(server_id=context.subject, by_compute=True)
    for attachment in held.select_related("volume"):
        at_work = Operation.objects.filter(subject=attachment.volume_id, state__in=UNFINISHED)
        if at_work.exclude(kind__in=RELEASED_FROM).exists():
            raise Wait("A volume of the server is being changed.", seconds=1.0)
        supersede(
            RELEASE_NAME,
            subject=attachment.volume_id,
            params={
                "server": str(context.subject),
                "attachment": str(attachment.pk),
                "hypervisors": context.outputs["collect"].get("hypervisors", []),
                "delete": attachment.delete_on_termination,
            },
            request_id=context.request_id,
            now=timezone.now(),
        )


def forget(context: Context) -> None:
    """Release ports and quota and mark the server deleted, all at once."""
    now = timezone.now()
    with transaction.atomic():
        server_ports.release_server_ports(server_id=context.subject, now=now)
        release(subject=context.subject)
        end_moves(context.subject, now=now)
        end_cold_moves(context.subject, now=now, confirmed=True)
        remove_images_of_gone(context.subject)
        # A build that made way for this may have held a slot.
        capacity.free_build_slots_of(subject=context.subject)
        Server.objects.change(
            context.subject,
            vm_state=VmState.DELETED,
            task_state=None,
            power_state=PowerState.NOSTATE,
            sealed_admin_password="",
            terminated_at=now,
            deleted_at=now,
            updated_at=now,
        )
        history.end_event(
            server_id=context.subject,
            request_id=context.request_id,
            event=EVENT,
            host=context.outputs["collect"]["host"],
            now=now,
        )


def postpone(context: Context) -> None:
    """The host is away: its part is done when it is back."""
    host = _host(context)
    if host is not None:
        enqueue_cleanup(
            server_id=context.subject,
            hypervisor=host,
            ports=context.outputs["collect"]["ports"],
            request_id=context.request_id,
        )


DELETE = Kind(
    "server.delete",
    steps=[
        # No undo anywhere: a delete goes forward.
        Step("collect", collect),
        Step("remove_guest", remove_guest, on_host=True),
        Step("delete_disks", delete_disks, on_host=True, queue=disk_queue),
        Step("unplug_ports", unplug_ports, on_host=True),
        Step("release_claim", release_claim, on_host=True),
        Step("release_volumes", release_volumes),
        Step("forget", forget),
    ],
    # A delete may not fail: what the host refuses becomes a debt, all else is tried again.
    retries=None,
    deadline_s=None,
    postpone=postpone,
    postpone_do=True,
)

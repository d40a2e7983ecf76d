"""Attach a volume to a server's guest, detach it, and let it go when its server is deleted.

The operation is the volume's: of one volume only one thing is done at a time, and several may be
attached to a server at once. A volume that lies on another host is brought over first; one that is
blank is made on the server's host. As long as nobody can say whether a guest has it, as when the
host is away in the middle, the volume stays as it is (attaching, detaching), so that no second
server gets it.
"""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from cloudportal.errors import CloudError
from hypervisors import guests
from hypervisors import volumes as on_hosts
from hypervisors.models import Hypervisor
from hypervisors.pools import default_pool
from operations.errors import Wait
from operations.kinds import DEFAULT_QUEUE, TRANSFER_QUEUE, Context, Kind, Step
from quotas.consume import release
from servers import history
from servers.attach_volume import ATTACH_NAME, DETACH_NAME
from servers.errors import ServerNotFound
from servers.guest_record import guest_records, with_volume
from servers.guest_spec import guest_spec, server_disks
from servers.models import Server
from volumes import attachments
from volumes.errors import AttachmentNotFound
from volumes.models import Attachment, Snapshot, Volume
from volumes.operations.facts import clear_left, volume_of, wait_for_copies_of

logger = logging.getLogger(__name__)

RELEASE_NAME = "volume.release"
# What makes way when the server is deleted.
RELEASED_FROM = (ATTACH_NAME, DETACH_NAME, RELEASE_NAME)
ATTACH_EVENT = "compute_attach_volume"
DETACH_EVENT = "compute_detach_volume"
TASK_PAUSE_S = 0.5
GUEST_PAUSE_S = 5.0


def _server_id(context: Context) -> UUID:
    return UUID(context.params["server"])


def _server(context: Context) -> Server:
    rows = Server.objects.alive().select_related("hypervisor")
    server = rows.filter(pk=_server_id(context)).first()
    if server is None or server.hypervisor is None:
        raise ServerNotFound(f"Instance {_server_id(context)} is on no host.")
    return server


def _host(context: Context) -> Hypervisor | None:
    """The host that the operation began on; None when it had not come to that."""
    noted = context.outputs.get("begin")
    return Hypervisor.objects.filter(pk=noted["hypervisor"]).first() if noted else None


def _event(context: Context, event: str) -> dict[str, Any]:
    return {
        "server_id": _server_id(context),
        "request_id": context.request_id,
        "event": event,
        "host": (context.outputs.get("begin") or {}).get("host", ""),
    }


def begin_attaching(context: Context) -> dict[str, Any]:
    """Note the start of the event, and where the server is."""
    return _begin(context, ATTACH_EVENT)


def begin_detaching(context: Context) -> dict[str, Any]:
    """The same of a detachment."""
    return _begin(context, DETACH_EVENT)


def _begin(context: Context, event: str) -> dict[str, Any]:
    host = _server(context).hypervisor
    if host is None:
        raise ServerNotFound(f"Instance {_server_id(context)} is on no host.")
    noted = {"hypervisor": host.pk, "host": host.name, "pool": default_pool(host).name}
    history.begin_event(**{**_event(context, event), "host": host.name}, now=timezone.now())
    return noted


def bring(context: Context) -> None:
    """Have the volume's file in a pool of the server's host."""
    volume = volume_of(context)
    wait_for_copies_of(volume.pk)
    clear_left(volume.pk)
    host, pool = _server(context).hypervisor, str(context.outputs["begin"]["pool"])
    if host is None or volume.hypervisor_id == host.pk:
        return
    if volume.hypervisor is None:
        on_hosts.create_blank(host, pool, volume.storage_name, volume.size_gib)
    else:
        here = (volume.hypervisor, volume.pool)
        on_hosts.copy_to_host(volume.storage_name, here, (host, pool))


def move(context: Context) -> None:
    """From now on the volume is on the server's host, and nowhere else."""
    volume = volume_of(context)
    host, pool = _host(context), str(context.outputs["begin"]["pool"])
    if host is not None and volume.hypervisor_id != host.pk:
        Volume.objects.filter(pk=volume.pk).update(
            hypervisor=host,
            pool=pool,
            left_hypervisor=volume.hypervisor_id,
            left_pool=volume.pool,
        )
    clear_left(volume.pk)


def clear(context: Context) -> None:
    """The volume stays on this host; only what it left elsewhere goes."""
    clear_left(context.subject)


def drop_half(context: Context) -> None:
    """Delete what was brought in part only; a volume that is there whole stays there."""
    host = _host(context)
    volume = Volume.objects.filter(pk=context.subject).first()
    if host is None or volume is None or volume.hypervisor_id == host.pk:
        return
    on_hosts.delete_volume(host, context.outputs["begin"]["pool"], volume.storage_name)


def _queue(context: Context) -> str:
    """A copy may take minutes: it must not hold up reboots and deletes."""
    noted = (context.outputs.get("begin") or {}).get("hypervisor")
    elsewhere = Volume.objects.exclude(hypervisor=None).filter(
        ~Q(hypervisor=noted), pk=context.subject
    )
    return TRANSFER_QUEUE if elsewhere.exists() else DEFAULT_QUEUE


def plug_in(context: Context) -> None:
    """Give the guest the disk.

    Raises:
        Wait: something is being done to the server.
    """
    server = _server(context)
    if server.task_state is not None:
        raise Wait("Something is being done to the server.", seconds=TASK_PAUSE_S)
    rows = Attachment.objects.select_related("volume")
    attachment = rows.filter(pk=context.params["attachment"]).first()
    if attachment is None or server.hypervisor is None:
        raise AttachmentNotFound("The volume is not to be attached any more.")
    record = with_volume(guest_records([server])[server.pk], attachment)
    spec = guest_spec(
        server,
        server.hypervisor,
        disks=server_disks(server, server.hypervisor),
        wired=(),
        record=record,
    )
    on_hosts.plug_in(server.hypervisor, spec, str(context.subject))


def pull_out(context: Context) -> None:
    """Take the disk from the guest, wherever the operation began."""
    host = _host(context)
    if host is not None:
        on_hosts.pull_out(host, _server_id(context), str(context.subject))


def pull_out_uncopied(context: Context) -> None:
    """The same, once nobody copies the volume."""
    wait_for_copies_of(context.subject)
    pull_out(context)


def note_attached(context: Context) -> None:
    """The server has it; its guest is told so as well."""
    now = timezone.now()
    with transaction.atomic():
        attachments.attached(
            attachment_id=UUID(context.params["attachment"]),
            host_name=context.outputs["begin"]["host"],
            now=now,
        )
        Server.objects.change(_server_id(context), updated_at=now)
        history.end_event(**_event(context, ATTACH_EVENT), now=now)


def note_detached(context: Context) -> None:
    """The volume is free."""
    now = timezone.now()
    with transaction.atomic():
        attachments.detached(attachment_id=UUID(context.params["attachment"]))
        Server.objects.change(_server_id(context), updated_at=now)
        history.end_event(**_event(context, DETACH_EVENT), now=now)


def write_record(context: Context) -> None:
    """Let the guest keep what it has; where that fails, it is written with the next records."""
    server = Server.objects.alive().select_related("hypervisor").filter(pk=_server_id(context))
    found = server.first()
    if found is None or found.hypervisor is None:
        return
    try:
        record = guest_records([found])[found.pk]
        guests.refresh_metadata(found.hypervisor, found.pk, record)
    except CloudError as error:
        logger.warning("Metadata of %s is not written: %s", found.pk, error.detail or error)


def attach_failed(context: Context, error: dict[str, Any]) -> None:
    """All was undone: the volume is free, and the server's action says that it failed."""
    attachments.detached(attachment_id=UUID(context.params["attachment"]))
    _note_failure(context, ATTACH_EVENT, error)


def detach_failed(context: Context, error: dict[str, Any]) -> None:
    """The server has it still."""
    attachments.keep(attachment_id=UUID(context.params["attachment"]))
    _note_failure(context, DETACH_EVENT, error)


def _note_failure(context: Context, event: str, error: dict[str, Any]) -> None:
    now = timezone.now()
    message = str(error.get("message", ""))
    history.end_event(**_event(context, event), error=message, now=now)
    history.mark_action_failed(
        server_id=_server_id(context), request_id=context.request_id, now=now
    )


# Letting go


def see_guest_gone(context: Context) -> None:
    """See that no guest of the deleted server has the volume any more.

    Raises:
        Wait: its host has still to remove it, or may have to when it is back.
    """
    for host in _hosts(context):
        if on_hosts.has_disk(host, _server_id(context), str(context.subject)):
            raise Wait("The guest is still there.", seconds=GUEST_PAUSE_S)


def _hosts(context: Context) -> list[Hypervisor]:
    """Those on which something of the server may be."""
    return list(Hypervisor.objects.filter(pk__in=context.params["hypervisors"]).order_by("pk"))


def tidy(context: Context) -> None:
    """Delete what an attachment left half brought, and what is to go with the server."""
    wait_for_copies_of(context.subject)
    clear_left(context.subject)
    volume = Volume.objects.select_related("hypervisor").filter(pk=context.subject).first()
    if volume is None:
        return
    for host in _hosts(context):
        for pool in host.pools.all():
            if volume.hypervisor_id != host.pk:
                on_hosts.delete_volume(host, pool.name, volume.storage_name)
    if _goes_too(context) and volume.hypervisor is not None:
        on_hosts.delete_volume(volume.hypervisor, volume.pool, volume.storage_name)


def _goes_too(context: Context) -> bool:
    """Whether the volume is deleted with its server; one with snapshots stays for them."""
    has_snapshots = Snapshot.objects.filter(volume=context.subject).exists()
    return bool(context.params["delete"]) and not has_snapshots


def let_go(context: Context) -> None:
    """The volume is free, or gone with its server."""
    with transaction.atomic():
        goes = _goes_too(context)
        attachments.detached(attachment_id=UUID(context.params["attachment"]))
        if goes:
            release(subject=context.subject)
            Volume.objects.filter(pk=context.subject).delete()


ATTACH = Kind(
    ATTACH_NAME,
    steps=[
        # Notes only.
        Step("begin", begin_attaching),
        Step("bring", bring, drop_half, on_host=True, queue=_queue),
        Step("move", move, clear, on_host=True),
        Step("plug_in", plug_in, pull_out, on_host=True),
        # Nothing that follows can fail.
        Step("note_attached", note_attached),
        Step("write_record", write_record),
    ],
    deadline_s=6 * 3600.0,
    on_failed=attach_failed,
)
DETACH = Kind(
    DETACH_NAME,
    steps=[
        Step("begin", begin_detaching),
        # A disk that was pulled out is not put back: it was to go.
        Step("pull_out", pull_out_uncopied, on_host=True),
        Step("note_detached", note_detached),
        Step("write_record", write_record),
    ],
    deadline_s=600.0,
    on_failed=detach_failed,
)
RELEASE = Kind(
    RELEASE_NAME,
    steps=[
        # No undo anywhere: the server is gone.
        Step("see_guest_gone", see_guest_gone, on_host=True),
        Step("tidy", tidy, on_host=True),
        Step("let_go", let_go),
    ],
    # Its host may be away for long; until it is back nobody can say that no guest has it.
    retries=None,
    deadline_s=None,
)

"""Attach volumes to servers, change how they are attached, and detach them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from hypervisors.models import HostState
from identity import policy
from identity.actors import Actor
from operations.enqueue import enqueue
from servers import rules as rules
from servers.action_log import record_action
from servers.attached_volumes import free_device
from servers.begin import require
from servers.errors import DeviceTaken, HostAway, InvalidServerRequest, InvalidState
from servers.legal import LEGAL
from servers.models import Server
from servers.states import VmState
from volumes import attachments
from volumes.attachments import NewAttachment
from volumes.errors import VolumeNotFound
from volumes.find import find_volume
from volumes.models import Attachment

ATTACH_NAME = "volume.attach"
DETACH_NAME = "volume.detach"
_AWAY = (VmState.SHELVED, VmState.SHELVED_OFFLOADED)


def attach_volume(
    *, server: Server, volume_id: UUID, wanted: NewAttachment, actor: Actor, now: datetime
) -> Attachment:
    """Attach a volume to a server; without a device it gets the next name that is free.

    Raises:
        VolumeNotFound: the actor sees no such volume.
        InvalidVolume: it is not free.
        InvalidServerRequest: the device is none for a disk of this server.
        DeviceTaken: another disk has that name.
        InvalidState: the server's state does not allow it.
        ServerLocked: it is locked, and the actor is no administrator.
        Forbidden: the actor may not.
    """
    rule = LEGAL["attach_volume"]
    require(actor, rule, server)
    volume = find_volume(actor=actor, volume_id=volume_id)
    if volume.project_id != server.project_id:
        raise VolumeNotFound.of(volume_id)
    with transaction.atomic():
        Server.objects.begin_task(server, rule, passes_lock=actor.is_admin)
        _check_on_host(server)
        device = free_device(server, wanted.device or None)
        try:
            with transaction.atomic():
                attachment = attachments.attach(
                    volume_id=volume.pk,
                    server_id=server.pk,
                    wanted=NewAttachment(
                        device=device,
                        tag=wanted.tag,
                        delete_on_termination=wanted.delete_on_termination,
                    ),
                    now=now,
                )
        except IntegrityError as error:
            raise DeviceTaken(f"The device {device} is in use.", detail=str(error)) from error
        record_action([server.pk], "attach_volume", actor=actor, now=now)
        _enqueue(ATTACH_NAME, attachment, server, actor, now)
    return attachment


def detach_volume(*, server: Server, volume_id: object, actor: Actor, now: datetime) -> None:
    """Take a volume from a server.

    Raises:
        VolumeNotFound: the server has no such volume.
        InvalidServerRequest: the server runs from it.
        InvalidVolume: something else is being done to it.
        InvalidState: the server's state does not allow it.
        ServerLocked: it is locked, and the actor is no administrator.
        HostAway: its host does not answer.
        Forbidden: the actor may not.
    """
    rule = LEGAL["detach_volume"]
    require(actor, rule, server)
    attachment = find_attachment(server, volume_id)
    if attachment.boot_index == 0:
        raise InvalidServerRequest("Cannot detach a root device volume")
    with transaction.atomic():
        Server.objects.begin_task(server, rule, passes_lock=actor.is_admin)
        if server.hypervisor is not None and server.hypervisor.state == HostState.DOWN:
            raise HostAway("The server's host does not answer.")
        attachments.begin_detaching(attachment)
        record_action([server.pk], "detach_volume", actor=actor, now=now)
        _enqueue(DETACH_NAME, attachment, server, actor, now)


def change_attachment(
    *, server: Server, attachment: Attachment, delete_on_termination: bool, actor: Actor
) -> None:
    """Say whether a volume goes with its server.

    Raises:
        Forbidden: the actor may not.
    """
    rule = "os_compute_api:os-volumes-attachments:update"
    policy.require(actor, rule, project_id=server.project_id)
    Attachment.objects.filter(pk=attachment.pk).update(delete_on_termination=delete_on_termination)
    Server.objects.change(server.pk)


def find_attachment(server: Server, volume_id: object) -> Attachment:
    """The server's attachment of this volume.

    Raises:
        VolumeNotFound: the server does not have it.
    """
    rows = Attachment.objects.filter(server_id=server.pk, by_compute=True)
    try:
        found = rows.filter(volume_id=UUID(str(volume_id))).select_related("volume").first()
    except ValueError:
        found = None
    if found is None:
        raise VolumeNotFound(f"Instance {server.pk} is not attached to volume {volume_id}")
    return found


def _check_on_host(server: Server) -> None:
    if server.vm_state in _AWAY or server.hypervisor is None:
        raise InvalidState(
            f"Cannot 'attach_volume' instance {server.pk} while it is in vm_state "
            f"{server.vm_state}: volumes lie on their servers' hosts, and it is on none."
        )
    if server.hypervisor.state == HostState.DOWN:
        raise HostAway("The server's host does not answer.")


def _enqueue(
    kind: str, attachment: Attachment, server: Server, actor: Actor, now: datetime
) -> None:
    enqueue(
        kind,
        subject=attachment.volume_id,
        params={"server": str(server.pk), "attachment": str(attachment.pk)},
        request_id=actor.request_id,
        now=now,
    )

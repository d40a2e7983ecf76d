"""Rescue and unrescue: the guest boots from another disk with its own beside, and back."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from hypervisors import disks, guests
from hypervisors.models import Hypervisor
from hypervisors.rescue import (
    RescuePlan,
    create_rescue_disks,
    delete_rescue_disks,
    rescue_disk_names,
    rescue_disks,
)
from images.errors import ImageNotFound
from images.models import Image, ImageStatus
from operations.engine import POSTPONED
from operations.kinds import Context, Kind, Step
from servers import history
from servers.config_drive import config_drive
from servers.guest_spec import guest_facts, server_disks
from servers.models import Server, ServerQuerySet
from servers.operations import base_image
from servers.operations.definition import define_own, define_with
from servers.operations.facts import host_of, server_of
from servers.operations.guest_change import Change
from servers.operations.power import CLEAN_STOP_S, RUNS
from servers.options import places_for
from servers.rescue import BUS, DEVICE, KIND, UNRESCUE_KIND
from servers.states import PowerState, TaskState, VmState

logger = logging.getLogger(__name__)

EVENT = "compute_rescue_instance"


def begin(context: Context) -> dict[str, Any]:
    """Note the start of the event, and how the server is."""
    server = server_of(context)
    host = host_of(server)
    history.begin_event(**_event(context, host.name), now=timezone.now())
    return {"host": host.name, "was": server.vm_state}


def bring_image(context: Context) -> dict[str, Any]:
    """Have the rescue image in the host's pool."""
    image = Image.objects.filter(pk=context.params["image"], status=ImageStatus.ACTIVE).first()
    if image is None:
        raise ImageNotFound("The rescue image was deleted before it was needed.")
    server = server_of(context)
    volume = base_image.bring(context, server, host_of(server), image)
    known = {name: image.properties.get(name, "") for name in (BUS, DEVICE)}
    return {"volume": volume, **known}


def drop_half_image(context: Context) -> None:
    """Take half an image off the host again; a whole one stays for the next server."""
    disks.drop_half_uploads(host_of(server_of(context)), context.subject)


def _image_queue(context: Context) -> str:
    server = server_of(context)
    return base_image.queue_to_bring(server, server.hypervisor, UUID(context.params["image"]))


def stop_guest(context: Context) -> None:
    """Switch the guest off, cleanly: its disk is to be looked at."""
    server = server_of(context)
    guests.stop_guest(host_of(server), server.pk, CLEAN_STOP_S)


def start_own_guest(context: Context) -> None:
    """Let the guest run again, if it did."""
    server = server_of(context)
    if context.outputs["begin"]["was"] == VmState.ACTIVE:
        guests.start_guest(host_of(server), server.pk)


def make_disks(context: Context) -> None:
    """Make the disk that is booted from, and a config drive with the new password."""
    server = server_of(context)
    host = host_of(server)
    drive = config_drive(guest_facts(server)) if server.has_config_drive else None
    plan = _plan(context, drive)
    create_rescue_disks(host, places_for(server, host).files, server.pk, plan)


def delete_disks(context: Context) -> None:
    """Delete them."""
    delete_rescue_disks(host_of(server_of(context)), context.subject)


def define_guest(context: Context) -> None:
    """Let the guest have them."""
    server = server_of(context)
    host = host_of(server)
    pool = places_for(server, host).files
    own = server_disks(server, host)
    plan = _plan(context, b"" if server.has_config_drive else None)
    define_with(server, host, rescue_disks(pool, server.pk, own, plan))


def define_own_guest(context: Context) -> None:
    """Let the guest have its own disks alone, as before."""
    server = server_of(context)
    define_own(server, host_of(server))


def start_guest(context: Context) -> None:
    """Start the guest; it boots from the rescue disk."""
    server = server_of(context)
    guests.start_guest(host_of(server), server.pk)


def stop_rescue(context: Context) -> None:
    """Switch it off: what it began with nobody has seen yet."""
    server = server_of(context)
    guests.stop_guest(host_of(server), server.pk, 0)


def end(context: Context) -> None:
    """The server is being rescued."""
    now = timezone.now()
    with transaction.atomic():
        _own(context).update(
            vm_state=VmState.RESCUED,
            power_state=PowerState.RUNNING,
            task_state=None,
            sealed_admin_password="",
            updated_at=now,
        )
        history.end_event(**_event(context, context.outputs["begin"]["host"]), now=now)


def on_failed(context: Context, error: dict[str, Any]) -> None:
    """The server is as it was; where its host could not undo it nobody knows how: ERROR."""
    now = timezone.now()
    is_lost = POSTPONED in context.outputs and "stop_guest" in context.outputs
    fields = {"vm_state": VmState.ERROR} if is_lost else {}
    _own(context).update(**fields, task_state=None, sealed_admin_password="", updated_at=now)
    message, detail = str(error.get("message", "")), str(error.get("detail", ""))
    host = (context.outputs.get("begin") or {}).get("host", "")
    history.end_event(**_event(context, host), error=message, now=now)
    history.mark_action_failed(server_id=context.subject, request_id=context.request_id, now=now)
    history.record_fault(server_id=context.subject, message=message, details=detail, now=now)


def postpone(context: Context) -> None:
    """Nothing is booked: a hard reboot, a rebuild or the server's end takes away what is left."""
    logger.warning("Server %s is left as it is: its host does not undo it.", context.subject)


def _plan(context: Context, drive: bytes | None) -> RescuePlan:
    brought = context.outputs["bring_image"]
    return RescuePlan(brought["volume"], brought[DEVICE], brought[BUS], drive)


def _own(context: Context) -> ServerQuerySet:
    """The row while it is this operation's to change."""
    return Server.objects.alive().filter(pk=context.subject, task_state=TaskState.RESCUING)


def _event(context: Context, host: str) -> dict[str, Any]:
    return {
        "server_id": context.subject,
        "request_id": context.request_id,
        "event": EVENT,
        "host": host,
    }


RESCUE = Kind(
    KIND,
    steps=[
        Step("begin", begin),
        Step("bring_image", bring_image, drop_half_image, on_host=True, queue=_image_queue),
        Step("stop_guest", stop_guest, start_own_guest, on_host=True),
        Step("make_disks", make_disks, delete_disks, on_host=True),
        Step("define_guest", define_guest, define_own_guest, on_host=True),
        Step("start_guest", start_guest, stop_rescue, on_host=True),
        # Nothing outside the rows changes, and nothing follows it.
        Step("end", end),
    ],
    retries=5,
    on_failed=on_failed,
    postpone=postpone,
)


def _unrescue(server: Server, host: Hypervisor, context: Context) -> None:
    """Back to its own disk; who does it again finds no rescue disk, and only starts the guest."""
    there = disks.volumes_of(host, places_for(server, host).files, server.pk)
    if set(rescue_disk_names(server.pk)) & set(there):
        # Cleanly, for the server's own disk may be mounted in it.
        guests.stop_guest(host, server.pk, CLEAN_STOP_S)
        define_own(server, host)
        delete_rescue_disks(host, server.pk)
    guests.start_guest(host, server.pk)


UNRESCUE = Change(
    UNRESCUE_KIND,
    "compute_unrescue_instance",
    _unrescue,
    (TaskState.UNRESCUING,),
    RUNS,
    may_be_lost=True,
).operation()

"""Rebuild a server on its host: a new root disk from an image, all around it as it was.

Nothing is destroyed before the host is known to take the image and has it in its pool; until then
a failure leaves the server as it was. Afterwards it goes to ERROR, and may be rebuilt again.
"""

from __future__ import annotations

import dataclasses
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import transaction
from django.utils import timezone

from hypervisors import disks, guests
from hypervisors.errors import WrongGuestState
from hypervisors.guests import DiskSpec
from hypervisors.platforms import wish_within_reach
from networks import wiring
from operations.kinds import Context, Kind, Step
from scheduling.request_spec import RequestSpec
from scheduling.same_host import check_host_still_fits
from servers import history
from servers.attached_volumes import attachments_of
from servers.config_drive import config_drive
from servers.guest_spec import disk_plan, guest_facts, guest_spec, server_disks
from servers.models import Server, ServerQuerySet
from servers.operations import base_image
from servers.operations.events import begin_event, end_event
from servers.operations.facts import host_of, server_of
from servers.operations.power import CLEAN_STOP_S, RUNS
from servers.options import places_for
from servers.reimage import KIND, fields_before
from servers.states import PowerState, TaskState, VmState

logger = logging.getLogger(__name__)

CHOICE_EVENT = "rebuild_server"
EVENT = "compute_rebuild_instance"
# Made anew always; an ephemeral disk unless it is to be preserved.
_RENEWED = ("root", "swap", "config")
_TASKS = (
    TaskState.REBUILDING,
    TaskState.REBUILD_BLOCK_DEVICE_MAPPING,
    TaskState.REBUILD_SPAWNING,
    TaskState.POWERING_OFF,
)


def check(context: Context) -> dict[str, Any]:
    """See whether the host can run the server from this image; how the server was until now."""
    server = server_of(context)
    host = host_of(server)
    begin_event(context, CHOICE_EVENT)
    check_host_still_fits(host, RequestSpec.from_json(server.request_spec))
    features = guests.guest_features(server.flavor["extra_specs"], server.image_properties)
    guests.platform_of(host, features)
    end_event(context, CHOICE_EVENT)
    begin_event(context, EVENT, host.name)
    return {"host": host.name, "was": server.vm_state}


def bring_image(context: Context) -> dict[str, Any]:
    """Have the image in the host's pool; a root disk that is a volume stays as it is."""
    server = server_of(context)
    return {"volume": base_image.bring_own(context, server, host_of(server))}


def drop_half_image(context: Context) -> None:
    """Take half an image off the host again; a whole one stays for the next server."""
    disks.drop_half_uploads(host_of(server_of(context)), context.subject)


def _disk_queue(context: Context) -> str:
    server = server_of(context)
    return base_image.queue_of_disks(server, server.hypervisor)


def _image_queue(context: Context) -> str:
    server = server_of(context)
    return base_image.queue_to_bring(server, server.hypervisor, server.image_id)


def stop_guest(context: Context) -> None:
    """Switch the guest off; cleanly only where something of it is kept, for that takes time."""
    server = server_of(context)
    host = host_of(server)
    if guests.guest_info(host, server.pk) is None:
        return  # it was lost, which is no reason against a new one
    is_kept = any(disk.role not in _renewed(context) for disk in server_disks(server, host))
    is_kept = is_kept or bool(attachments_of(server))
    guests.stop_guest(host, server.pk, CLEAN_STOP_S if is_kept else 0)


def start_old_guest(context: Context) -> None:
    """Let the guest run again, unless its disk is gone already or it was off."""
    server = server_of(context)
    if server.task_state == TaskState.REBUILDING and _was(context) == VmState.ACTIVE:
        guests.start_guest(host_of(server), server.pk)


def renew_disks(context: Context) -> dict[str, Any]:
    """Delete the disks that are to be new, and make them.

    Raises:
        WrongGuestState: the guest runs: this is late, and another worker has gone on.
    """
    server = server_of(context)
    host = host_of(server)
    guest = guests.guest_info(host, server.pk)
    if guest is not None and guest.power_state != "shutdown":
        raise WrongGuestState("The guest runs, so its disks are not made anew.")
    # Before anything is gone: from here on there is no way back.
    _task(context, TaskState.REBUILD_BLOCK_DEVICE_MAPPING)
    plan = disk_plan(
        server,
        base_volume=context.outputs["bring_image"]["volume"],
        config_drive=config_drive(guest_facts(server)) if server.has_config_drive else None,
    )
    made = disks.renew_disks(host, places_for(server, host), server.pk, plan, _renewed(context))
    return {"disks": [dataclasses.asdict(disk) for disk in made]}


def define_guest(context: Context) -> None:
    """Define the guest anew, with the new image's firmware and devices, on the same ports."""
    _task(context, TaskState.REBUILD_SPAWNING)
    server = server_of(context)
    host = host_of(server)
    made = [DiskSpec(**each) for each in context.outputs["renew_disks"]["disks"]]
    names = {disk.volume for disk in made}
    kept = [disk for disk in server_disks(server, host) if disk.volume not in names]
    wired = wiring.wire_ports(hypervisor=host, server_id=server.pk)
    wish = wish_within_reach(host)
    spec = guest_spec(server, host, disks=[*made, *kept], wired=wired, wish=wish)
    guests.redefine_guest(host, spec)


def start_guest(context: Context) -> None:
    """Start the guest, with DHCP entries under the name that it may have changed to."""
    server = server_of(context)
    host = host_of(server)
    leases = wiring.leases_of(server.pk)
    with ThreadPoolExecutor(1) as beside:
        leasing = beside.submit(
            wiring.lease_addresses, hypervisor=host, leases=leases, hostname=server.hostname
        )
        guests.start_guest(host, server.pk)
        leasing.result()


def stop_again(context: Context) -> None:
    """Switch it off again, if it was off: it has booted once, so that it knows its new self."""
    if _was(context) == VmState.STOPPED:
        _task(context, TaskState.POWERING_OFF)
        server = server_of(context)
        guests.stop_guest(host_of(server), server.pk, CLEAN_STOP_S)


def end(context: Context) -> None:
    """The server is there again."""
    now = timezone.now()
    fields: dict[str, object] = dict(RUNS)
    if _was(context) == VmState.STOPPED:
        fields = {"vm_state": VmState.STOPPED, "power_state": PowerState.SHUTDOWN}
    with transaction.atomic():
        _own(context).update(
            **fields, task_state=None, sealed_admin_password="", launched_at=now, updated_at=now
        )
        end_event(context, EVENT, _host_name(context))


def on_failed(context: Context, error: dict[str, Any]) -> None:
    """The server is as it was, or where its disk is gone already, in ERROR."""
    now = timezone.now()
    message, detail = str(error.get("message", "")), str(error.get("detail", ""))
    own = _own(context)
    is_untouched = own.filter(task_state=TaskState.REBUILDING)
    fields = {**fields_before(context.params), "sealed_admin_password": ""}
    if not is_untouched.update(**fields, task_state=None, updated_at=now):
        own.update(
            vm_state=VmState.ERROR, task_state=None, sealed_admin_password="", updated_at=now
        )
    event = EVENT if "check" in context.outputs else CHOICE_EVENT
    end_event(context, event, _host_name(context), error=message)
    history.mark_action_failed(server_id=context.subject, request_id=context.request_id, now=now)
    history.record_fault(server_id=context.subject, message=message, details=detail, now=now)


def postpone(context: Context) -> None:
    """Nothing is booked: half an image is taken over by the next one that needs it."""
    logger.warning("Server %s is left as it is: its host does not undo it.", context.subject)


def _renewed(context: Context) -> tuple[str, ...]:
    return _RENEWED if context.params["preserve_ephemeral"] else (*_RENEWED, "ephemeral")


def _was(context: Context) -> str:
    return str(context.outputs["check"]["was"])


def _host_name(context: Context) -> str:
    return str((context.outputs.get("check") or {}).get("host", ""))


def _own(context: Context) -> ServerQuerySet:
    """The row while it is this operation's to change."""
    return Server.objects.alive().filter(pk=context.subject, task_state__in=_TASKS)


def _task(context: Context, task: TaskState) -> None:
    _own(context).update(task_state=task, updated_at=timezone.now())


REBUILD = Kind(
    KIND,
    steps=[
        Step("check", check),
        Step("bring_image", bring_image, drop_half_image, on_host=True, queue=_image_queue),
        Step("stop_guest", stop_guest, start_old_guest, on_host=True),
        # From here on nothing brings the old disk back.
        Step("renew_disks", renew_disks, on_host=True, queue=_disk_queue),
        Step("define_guest", define_guest, on_host=True),
        Step("start_guest", start_guest, on_host=True),
        Step("stop_again", stop_again, on_host=True),
        Step("end", end),
    ],
    retries=5,
    on_failed=on_failed,
    postpone=postpone,
)

"""Bring a shelved server back: start it where it is, or place and build it anew of its image.

The way of a build, with its rounds over hosts; one that fails leaves the server shelved as it was.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from hypervisors import capacity, guests
from hypervisors.models import Hypervisor
from images.delete import remove_image
from images.errors import ImageNotFound
from images.models import Image, ImageStatus
from networks import server_ports
from operations.kinds import Context, Kind, Step
from operations.models import UNFINISHED, Operation
from scheduling.errors import NoValidHost
from scheduling.place import place_server, release_server
from scheduling.request_spec import RequestSpec
from servers import history
from servers.models import Server
from servers.operations import base_image, build
from servers.operations.cleanup import CLEANUP_NAME
from servers.operations.facts import PLACE, chosen_host, host_of, server_of
from servers.states import PowerState, TaskState, VmState

UNSHELVE_NAME = "server.unshelve"
START_NAME = "server.unshelve_start"
EVENT = "compute_unshelve_instance"
SCHEDULE_EVENT = "schedule_instances"
IMAGE_EVENT = "get_image_info"
START_EVENT = "compute_start_instance"
_OWN = (TaskState.UNSHELVING, TaskState.SPAWNING)
_RUNS = {"vm_state": VmState.ACTIVE, "power_state": PowerState.RUNNING}
# What no other host would do better.
_HOPELESS = (
    "DeadlineExceeded",
    "DiskTooSmall",
    "GuestPropertyRefused",
    "ImageNotFound",
    "ServerNotFound",
)
_BACK = {"task_state": None, "shelved_at": None, "shelved_image_id": None}


# Where it waits on its host


def begin_start(context: Context) -> dict[str, Any]:
    """Note the start of the event."""
    host = host_of(server_of(context))
    history.begin_event(**_event(context, START_EVENT, host.name), now=timezone.now())
    return {"host": host.name}


def start(context: Context) -> None:
    """Start the guest."""
    server = server_of(context)
    guests.start_guest(host_of(server), server.pk)


def end_start(context: Context) -> None:
    """The server runs, and needs its image no more."""
    now = timezone.now()
    with transaction.atomic():
        _come_back(context, **_RUNS)
        host = context.outputs["begin"]["host"]
        history.end_event(**_event(context, START_EVENT, host), now=now)


def start_failed(context: Context, error: dict[str, Any]) -> None:
    """The server stays shelved."""
    host = (context.outputs.get("begin") or {}).get("host", "")
    _failed(context, error, START_EVENT, host)


# Where it is on no host


def place(context: Context) -> dict[str, Any]:
    """Choose a host and claim its resources.

    A host that still owes its part of the server's earlier life there is left out: paying it would
    take the new one away.
    """
    server = server_of(context)
    now = timezone.now()
    tried = [each["host"] for each in context.rounds if each.get("host")]
    if server.shelved_image_id is not None:
        # What is known of the image is in the request already: the event is for who reads them.
        history.begin_event(**_event(context, IMAGE_EVENT, ""), now=now)
        history.end_event(**_event(context, IMAGE_EVENT, ""), now=now)
    history.begin_event(**_event(context, SCHEDULE_EVENT, ""), now=now)
    allocation = place_server(
        server_id=server.pk,
        spec=_spec(server, context),
        without=[*tried, *_owing(server.pk)],
        operation_id=context.operation_id,
        request_id=context.request_id,
        now=now,
    )
    host = allocation.hypervisor
    with transaction.atomic():
        _own(context).update(hypervisor=host, availability_zone=build.zone_of(host), updated_at=now)
        history.end_event(**_event(context, SCHEDULE_EVENT, ""), now=now)
        history.begin_event(**_event(context, EVENT, host.name), now=now)
    return {"hypervisor": host.pk, "host": host.name}


def _spec(server: Server, context: Context) -> RequestSpec:
    """As asked for when it was made; a host that was forced then is not any more."""
    spec = RequestSpec.from_json(server.request_spec)
    return dataclasses.replace(
        spec,
        image_id=str(server.shelved_image_id or ""),
        zone=server.pinned_zone or "",
        host="",
        wanted_host=context.params.get("host") or "",
    )


def _owing(server_id: UUID) -> list[str]:
    debts = Operation.objects.filter(
        kind=CLEANUP_NAME, state__in=UNFINISHED, params__server=str(server_id)
    )
    keys = [params["hypervisor"] for params in debts.values_list("params", flat=True)]
    return list(Hypervisor.objects.filter(pk__in=keys).values_list("name", flat=True))


def unplace(context: Context) -> None:
    """Give the claim back; those on hosts that still owe their part stay."""
    tried = [each["host"] for each in context.rounds if each.get("host")]
    with transaction.atomic():
        release_server(server_id=context.subject, but_on=[*tried, *_owing(context.subject)])
        _own(context).update(hypervisor=None, availability_zone="")


def bring_image(context: Context) -> dict[str, Any]:
    """Have the shelved image in the host's pool.

    Raises:
        ImageNotFound: it was deleted.
        Wait: another operation brings it.
    """
    server = server_of(context)
    image = _active_image(server.shelved_image_id)
    if image is None:
        raise ImageNotFound(
            f"Unshelve attempted but the image {server.shelved_image_id} cannot be found."
        )
    host = chosen_host(context)
    if host is None:
        raise NoValidHost("The host chosen for this server has been removed.")
    volume = base_image.bring(context, server, host, image)
    return {"volume": volume}


def _active_image(image_id: UUID | None) -> Image | None:
    if image_id is None:
        return None
    return Image.objects.filter(pk=image_id, status=ImageStatus.ACTIVE).first()


def _image_queue(context: Context) -> str:
    server = server_of(context)
    return base_image.queue_to_bring(server, chosen_host(context), server.shelved_image_id)


def prepare_host(context: Context) -> dict[str, Any]:
    """Networks, filters and disks; the root disk lies over the image."""
    _own(context).update(task_state=TaskState.SPAWNING, updated_at=timezone.now())
    return build.prepare_host(context)


def mark_active(context: Context) -> None:
    """The server is back, and needs its image no more."""
    now = timezone.now()
    host = server_of(context).hypervisor
    name = host.name if host else ""
    with transaction.atomic():
        _come_back(context, **_RUNS, launched_at=now)
        server_ports.mark_ports_active(server_id=context.subject, host=name, now=now)
        capacity.free_build_slot(operation_id=context.operation_id)
        history.end_event(**_event(context, EVENT, name), now=now)


def after_undo(context: Context, error: dict[str, Any]) -> bool:
    """Try another host, unless there is none, the trouble is the request's, or it is enough."""
    host = chosen_host(context)
    if host is not None:
        error["host"] = host.name
        message = str(error.get("message", ""))
        now = timezone.now()
        history.end_event(**_event(context, EVENT, host.name), now=now, error=message)
    # With the host's part put off, its undo was too.
    capacity.free_build_slot(operation_id=context.operation_id)
    _own(context).update(hypervisor=None, availability_zone="")
    if _is_back(context):
        return False
    if host is None or len(context.rounds) + 1 >= build.ROUNDS or error.get("type") in _HOPELESS:
        return False
    _own(context).update(task_state=TaskState.UNSHELVING)
    return True


def build_failed(context: Context, error: dict[str, Any]) -> None:
    """The server stays shelved, on no host."""
    _own(context).update(hypervisor=None, availability_zone="")
    event = EVENT if error.get("host") else SCHEDULE_EVENT
    _failed(context, error, event, str(error.get("host", "")))
    if not _is_back(context):
        server_ports.mark_ports_down(server_id=context.subject, now=timezone.now())


# Both


def _come_back(context: Context, **fields: object) -> None:
    image_id = server_of(context).shelved_image_id
    now = timezone.now()
    if _own(context).update(**_BACK, **fields, updated_at=now) and image_id is not None:
        remove_image(image_id, now=now)


def _failed(context: Context, error: dict[str, Any], event: str, host: str) -> None:
    now = timezone.now()
    message, detail = str(error.get("message", "")), str(error.get("detail", ""))
    _own(context).update(task_state=None, updated_at=now)
    history.end_event(**_event(context, event, host), error=message, now=now)
    history.mark_action_failed(server_id=context.subject, request_id=context.request_id, now=now)
    history.record_fault(server_id=context.subject, message=message, details=detail, now=now)


def _is_back(context: Context) -> bool:
    """Whether the server is back; its image is gone then, and nothing is undone any more."""
    rows = Server.objects.alive().filter(pk=context.subject, vm_state=VmState.ACTIVE)
    return rows.filter(shelved_image_id=None).exists()


def _unless_back(undo: Callable[[Context], None]) -> Callable[[Context], None]:
    def undo_what_is_not_in_use(context: Context) -> None:
        if not _is_back(context):
            undo(context)

    return undo_what_is_not_in_use


def _own(context: Context) -> Any:
    return Server.objects.alive().filter(pk=context.subject, task_state__in=_OWN)


def _event(context: Context, event: str, host: str) -> dict[str, Any]:
    return {
        "server_id": context.subject,
        "request_id": context.request_id,
        "event": event,
        "host": host,
    }


START = Kind(
    START_NAME,
    steps=[
        Step("begin", begin_start),
        # No undo: it is off again only if somebody switches it off.
        Step("start", start),
        Step("end", end_start),
    ],
    retries=5,
    deadline_s=600.0,
    on_failed=start_failed,
)
UNSHELVE = Kind(
    UNSHELVE_NAME,
    steps=[
        Step(PLACE, place, _unless_back(unplace), on_host=True),
        Step("take_slot", build.take_slot, build.free_slot),
        Step("bring_image", bring_image, build.drop_half_image, on_host=True, queue=_image_queue),
        Step(
            "prepare_host",
            prepare_host,
            _unless_back(build.clear_host),
            on_host=True,
            queue=build.disk_queue,
        ),
        Step("define_guest", build.define_guest, _unless_back(build.remove_guest), on_host=True),
        Step("start_guest", build.start_guest, _unless_back(build.remove_guest), on_host=True),
        # Nothing outside the rows changes, and nothing follows it.
        Step("mark_active", mark_active),
    ],
    retries=3,
    deadline_s=3600,
    after_undo=after_undo,
    on_failed=build_failed,
    postpone=build.postpone,
)

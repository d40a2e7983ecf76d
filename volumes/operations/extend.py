"""Let a volume grow, under the guest that has it where one runs with it."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from hypervisors import volumes as on_hosts
from hypervisors.errors import NotOnHost
from operations.kinds import Context, Kind, Step
from volumes.extend import EXTEND_NAME, resize_reservation
from volumes.messages import Event, record_message
from volumes.models import Attachment, Volume
from volumes.operations.facts import volume_of, wait_for_copies_of
from volumes.states import VolumeStatus


def grow(context: Context) -> None:
    """Let the file grow; done twice it is as large as done once."""
    volume = volume_of(context)
    wait_for_copies_of(volume.pk)
    if volume.hypervisor is None:
        raise NotOnHost("The volume is on no host.")
    attachment = Attachment.objects.filter(volume=volume, by_compute=True).first()
    on_hosts.grow_volume(
        volume.hypervisor,
        volume.pool,
        volume.storage_name,
        context.params["size_gib"],
        guest=attachment.server_id if attachment else None,
        serial=str(volume.pk),
    )


def finish(context: Context) -> None:
    """The volume has its new size."""
    rows = Volume.objects.filter(pk=context.subject, status=VolumeStatus.EXTENDING)
    rows.update(
        size_gib=context.params["size_gib"],
        status=context.params["before"],
        updated_at=timezone.now(),
    )


def on_failed(context: Context, error: dict[str, Any]) -> None:
    """It keeps its old size, as far as anybody counts."""
    now = timezone.now()
    rows = Volume.objects.filter(pk=context.subject, status=VolumeStatus.EXTENDING)
    volume = rows.first()
    if volume is not None:
        with transaction.atomic():
            resize_reservation(volume, volume.size_gib, now=now)
            # One that a server has must stay with it.
            in_use = context.params["before"] == VolumeStatus.IN_USE
            status = VolumeStatus.IN_USE if in_use else VolumeStatus.ERROR_EXTENDING
            rows.update(status=status, updated_at=now)
            record_message(Event.EXTEND, volume, context.request_id, error, now=now)


EXTEND = Kind(
    EXTEND_NAME,
    steps=[
        # A file cannot shrink again: what it has beyond its size harms nobody.
        Step("grow", grow, on_host=True),
        Step("finish", finish),
    ],
    deadline_s=600.0,
    on_failed=on_failed,
)

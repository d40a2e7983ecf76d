"""A part of the build: have the server's volumes on its host, the new ones with their content."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from hypervisors import disks
from hypervisors import volumes as on_hosts
from hypervisors.models import Hypervisor
from hypervisors.pools import default_pool
from images.bring import bring_to_host
from images.errors import ImageNotFound
from images.models import Image, ImageStatus
from operations.enqueue import supersede
from operations.kinds import DEFAULT_QUEUE, TRANSFER_QUEUE, Context
from servers.operations.attach_volume import RELEASE_NAME
from servers.operations.facts import chosen_host, server_of
from volumes import attachments
from volumes.errors import SnapshotNotFound
from volumes.models import Attachment, Snapshot, Volume
from volumes.operations.facts import clear_left, wait_for_copies_of
from volumes.states import VolumeStatus


def _attachments(server_id: UUID) -> list[Attachment]:
    rows = Attachment.objects.filter(server_id=server_id, by_compute=True)
    return list(rows.select_related("volume__hypervisor").order_by("created_at", "id"))


def prepare_volumes(context: Context) -> None:
    """Have every volume whole on the host, and the server's; called again, what is done stays."""
    host = chosen_host(context)
    if host is None:
        return
    for attachment in _attachments(server_of(context).pk):
        volume = attachment.volume
        wait_for_copies_of(volume.pk)
        clear_left(volume.pk)
        if volume.hypervisor is None:
            _make(volume, host, context.operation_id)
            volume.refresh_from_db()
        if volume.hypervisor is not None and volume.hypervisor != host:
            _move(volume, volume.hypervisor, host)
        with transaction.atomic():
            Volume.objects.become(volume.pk, VolumeStatus.ATTACHING, of=[VolumeStatus.CREATING])
            now = timezone.now()
            attachments.attached(attachment_id=attachment.pk, host_name=host.name, now=now)


def _make(volume: Volume, host: Hypervisor, operation_id: UUID) -> None:
    """Make its file: a copy of its snapshot where that lies, or of its image here, or blank."""
    pool, name, size = default_pool(host).name, volume.storage_name, volume.size_gib
    if volume.snapshot_id is not None:
        snapshot = Snapshot.objects.select_related("hypervisor").filter(pk=volume.snapshot_id)
        found = snapshot.first()
        if found is None:
            raise SnapshotNotFound("The snapshot was deleted before it was copied.")
        if found.hypervisor is not None:
            host, pool = found.hypervisor, found.pool
            on_hosts.copy_in_pool(host, pool, name, found.storage_name, size)
        else:
            on_hosts.create_blank(host, pool, name, size)
    elif volume.image_id is not None:
        image = Image.objects.filter(pk=volume.image_id, status=ImageStatus.ACTIVE).first()
        if image is None:
            raise ImageNotFound("The image was deleted before it was copied.")
        base = bring_to_host(image=image, hypervisor=host, operation_id=operation_id)
        on_hosts.copy_in_pool(host, pool, name, base, size)
    else:
        on_hosts.create_blank(host, pool, name, size)
    Volume.objects.filter(pk=volume.pk).update(hypervisor=host, pool=pool)


def _move(volume: Volume, source: Hypervisor, host: Hypervisor) -> None:
    pool = default_pool(host).name
    on_hosts.copy_to_host(volume.storage_name, (source, volume.pool), (host, pool))
    Volume.objects.filter(pk=volume.pk).update(
        hypervisor=host, pool=pool, left_hypervisor=source, left_pool=volume.pool
    )
    clear_left(volume.pk)


def drop_halves(context: Context) -> None:
    """Delete what is there in part only; a volume that is there whole stays for the next round."""
    host = chosen_host(context)
    if host is None:
        return
    for attachment in _attachments(context.subject):
        volume = attachment.volume
        clear_left(volume.pk)
        if volume.hypervisor_id != host.pk:
            on_hosts.delete_volume(host, default_pool(host).name, volume.storage_name)
    disks.drop_half_uploads(host, context.subject)


def volumes_queue(context: Context) -> str:
    """A copy may take minutes: it must not hold up reboots and deletes."""
    host = chosen_host(context)
    for attachment in _attachments(context.subject):
        volume = attachment.volume
        has_source = volume.image_id is not None or volume.snapshot_id is not None
        is_here = host is not None and volume.hypervisor_id == host.pk
        if not is_here and (has_source or volume.hypervisor_id is not None):
            return TRANSFER_QUEUE
    return DEFAULT_QUEUE


def let_volumes_go(context: Context, hosts: list[str]) -> None:
    """After a build that failed on these hosts: its volumes are free, or go if they were to."""
    keys = list(Hypervisor.objects.filter(name__in=hosts).values_list("pk", flat=True))
    for attachment in _attachments(context.subject):
        supersede(
            RELEASE_NAME,
            subject=attachment.volume_id,
            params={
                "server": str(context.subject),
                "attachment": str(attachment.pk),
                "hypervisors": keys,
                "delete": attachment.delete_on_termination,
            },
            request_id=context.request_id,
            now=timezone.now(),
        )

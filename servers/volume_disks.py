"""The volumes that new servers are made with: planned with the other checks, written with the rows.

Existing volumes are attached; new ones are made on the host that is chosen for the server, by its
build. A server whose root disk is a volume has no image of its own (`Server.image_id` is None).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cloudportal.errors import Invalid, NotFound
from hypervisors.guests import guest_features
from identity import policy
from identity.actors import Actor
from images.models import Image, ImageStatus
from servers.attached_volumes import free_device, name_prefix
from servers.errors import DeviceTaken, InvalidServerRequest
from servers.models import Server
from servers.wanted import CreateServers, WantedDisk
from volumes import attachments
from volumes.attachments import NewAttachment
from volumes.create import NewVolume, PlannedVolume, image_facts, plan_volume, write_volume
from volumes.find import find_volume
from volumes.models import Volume
from volumes.states import VolumeStatus

# What a volume keeps of its image beside the image's own properties.
_FACTS = (
    "image_id", "image_name", "min_ram", "min_disk", "size",
    "container_format", "disk_format", "checksum",
)  # fmt: skip


@dataclass(frozen=True)
class PlannedDisk:
    """A volume for each of the servers: one that exists, or new ones of this plan."""

    wanted: WantedDisk
    existing: Volume | None = None
    new: PlannedVolume | None = None

    @property
    def image_metadata(self) -> dict[str, str]:
        """What is kept of the image that the volume was, or will be, made from."""
        if self.existing is not None:
            return dict(self.existing.image_metadata)
        if self.new is None:
            return {}
        if self.new.image is not None:
            return image_facts(self.new.image)
        return dict(self.new.snapshot.volume.image_metadata) if self.new.snapshot else {}


def check_may_map(wanted: CreateServers, actor: Actor) -> None:
    """Let only those pass who may say which disks a new server has.

    Raises:
        Forbidden: the actor may not.
    """
    if wanted.disks is not None:
        rule = "os_compute_api:servers:create:attach_volume"
        policy.require(actor, rule, project_id=actor.project_id)


def plan_root(wanted: CreateServers, actor: Actor) -> PlannedDisk | None:
    """Check the volume that the servers boot from; None when they boot from an image.

    Raises:
        InvalidServerRequest: it does not exist, is not free, or cannot be made so.
    """
    disks = (disk for disk in wanted.disks or () if disk.is_volume and disk.boot_index == 0)
    root = next(disks, None)
    return _plan(root, actor) if root is not None else None


def plan_volume_disks(
    wanted: CreateServers, root: PlannedDisk | None, actor: Actor
) -> tuple[PlannedDisk, ...]:
    """Check the volumes that are wanted beside the root; nothing is written.

    Raises:
        InvalidServerRequest: one does not exist, is not free, or cannot be made so.
    """
    disks = [disk for disk in wanted.disks or () if disk.is_volume]
    planned = tuple(
        root if root is not None and disk is root.wanted else _plan(disk, actor) for disk in disks
    )
    taken = [disk.existing.pk for disk in planned if disk.existing]
    if len(taken) != len(set(taken)):
        raise InvalidServerRequest("Block Device Mapping is Invalid: a volume is named twice.")
    return planned


def _plan(disk: WantedDisk, actor: Actor) -> PlannedDisk:
    if disk.source == "volume":
        return PlannedDisk(disk, existing=_existing(disk, actor))
    wanted = NewVolume(
        name="",
        size_gib=disk.size,
        type_name=disk.volume_type,
        image_id=disk.identifier if disk.source == "image" else None,
        snapshot_id=disk.identifier if disk.source == "snapshot" else None,
    )
    try:
        new = plan_volume(wanted=wanted, actor=actor)
    except (Invalid, NotFound) as error:
        raise InvalidServerRequest(f"Block Device Mapping is Invalid: {error}") from error
    if disk.boot_index == 0 and not (
        new.image or (new.snapshot and new.snapshot.volume.is_bootable)
    ):
        raise InvalidServerRequest(f"Block Device {disk.identifier} is not bootable.")
    return PlannedDisk(disk, new=new)


def _existing(disk: WantedDisk, actor: Actor) -> Volume:
    try:
        volume = find_volume(actor=actor, volume_id=disk.identifier)
    except NotFound:
        volume = None
    if volume is None or volume.project_id != actor.project_id:
        raise InvalidServerRequest(
            f"Block Device Mapping is Invalid: failed to get volume {disk.identifier}."
        )
    if volume.status != VolumeStatus.AVAILABLE:
        raise InvalidServerRequest(
            f"Invalid volume: volume '{volume.pk}' status must be 'available'. Currently in "
            f"'{volume.status}'"
        )
    if disk.boot_index == 0 and not volume.is_bootable:
        raise InvalidServerRequest(f"Block Device {volume.pk} is not bootable.")
    return volume


def image_of(root: PlannedDisk) -> Image:
    """What the root volume keeps of its image, in the form of an image without an id or data.

    Its size is the volume's own affair, so it fits every flavor.
    """
    kept = root.image_metadata
    image = Image(
        name=kept.get("image_name"),
        status=ImageStatus.ACTIVE,
        min_ram_mib=int(kept["min_ram"]) if kept.get("min_ram", "").isdigit() else 0,
        properties={key: value for key, value in kept.items() if key not in _FACTS},
    )
    image.id = None
    return image


def write_volume_disks(
    servers: list[Server], planned: tuple[PlannedDisk, ...], *, actor: Actor, now: datetime
) -> None:
    """Attach, or make, each server's volumes, inside the caller's transaction.

    Raises:
        InvalidVolume: one was taken a moment ago.
        OverQuota: the new ones do not fit into the project's limits.
    """
    for server in servers:
        for disk in sorted(planned, key=lambda each: each.wanted.boot_index != 0):
            _write(server, disk, actor, now)


def _write(server: Server, disk: PlannedDisk, actor: Actor, now: datetime) -> None:
    wanted = NewAttachment(
        device=_device(server, disk.wanted),
        tag=disk.wanted.tag,
        delete_on_termination=disk.wanted.delete_on_termination,
        boot_index=disk.wanted.boot_index,
    )
    if disk.existing is not None:
        volume_id = disk.existing.pk
        attachments.attach(volume_id=volume_id, server_id=server.pk, wanted=wanted, now=now)
    elif disk.new is not None:
        volume = write_volume(disk.new, actor=actor, now=now)
        attachments.attach_new(volume=volume, server_id=server.pk, wanted=wanted, now=now)


def _device(server: Server, disk: WantedDisk) -> str:
    """The name asked for is a hint: where it is none or taken, the next free one does."""
    if disk.boot_index == 0:
        features = guest_features(server.flavor["extra_specs"], server.image_properties)
        return f"/dev/{name_prefix(features)}a"
    try:
        return free_device(server, disk.device or None)
    except (DeviceTaken, InvalidServerRequest):
        return free_device(server, None)

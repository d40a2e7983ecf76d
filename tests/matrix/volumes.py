"""Volumes that are made, attached, grown, copied and deleted, as cases of the matrix."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.utils import timezone

from hypervisors.models import Hypervisor
from hypervisors.volumes import taken_name, upload_name
from images.models import Image, ImageStatus
from images.storage import image_path
from operations.models import UNFINISHED, Operation, OperationState
from quotas.models import Reservation
from servers.attach_volume import attach_volume, detach_volume
from servers.models import Server
from tests.matrix.world import World
from volumes.attachments import NewAttachment
from volumes.create import NewVolume, create_volume
from volumes.delete import delete_volume
from volumes.extend import extend_volume
from volumes.models import Attachment, Snapshot, Volume
from volumes.revert import revert_volume
from volumes.snapshots import NewSnapshot, create_snapshot, delete_snapshot
from volumes.states import VolumeStatus
from volumes.upload import WantedImage, upload_volume

GIB = 1024**3


def newest(world: World, kind: str) -> Operation:
    return Operation.objects.filter(kind=kind, state__in=UNFINISHED).latest("created_at")


def _make(world: World, image_id: str | None = None) -> Volume:
    wanted = NewVolume(size_gib=1, image_id=image_id)
    return create_volume(wanted=wanted, actor=world.actor, now=timezone.now())


def _made(world: World) -> Volume:
    """A volume with content, on the first host."""
    volume = _make(world, image_id=str(world.image.pk))
    world.work(newest(world, "volume.create"))
    made = Volume.objects.get(pk=volume.pk)
    assert (made.status, str(made.hypervisor)) == (VolumeStatus.AVAILABLE, "host1")
    return made


def _server(world: World) -> Server:
    return Server.objects.filter(deleted_at=None).first() or world.make_active()


def begin_create(world: World) -> Operation:
    _make(world, image_id=str(world.image.pk))
    return newest(world, "volume.create")


def begin_delete(world: World) -> Operation:
    volume = _made(world)
    delete_volume(volume=volume, cascade=False, actor=world.actor, now=timezone.now())
    return newest(world, "volume.delete")


def begin_extend(world: World) -> Operation:
    extend_volume(
        volume=_made(world),
        size_gib=2,
        may_be_in_use=False,
        actor=world.actor,
        now=timezone.now(),
    )
    return newest(world, "volume.extend")


def begin_snapshot(world: World) -> Operation:
    create_snapshot(
        volume=_made(world), wanted=NewSnapshot(), actor=world.actor, now=timezone.now()
    )
    return newest(world, "snapshot.create")


def begin_delete_snapshot(world: World) -> Operation:
    world.work(begin_snapshot(world))
    snapshot = Snapshot.objects.latest("created_at")
    delete_snapshot(snapshot=snapshot, actor=world.actor, now=timezone.now())
    return newest(world, "snapshot.delete")


def begin_attach(world: World) -> Operation:
    return _attach(world, _make(world))


def _attach(world: World, volume: Volume) -> Operation:
    attach_volume(
        server=_server(world),
        volume_id=volume.pk,
        wanted=NewAttachment(),
        actor=world.actor,
        now=timezone.now(),
    )
    return newest(world, "volume.attach")


def begin_attach_from_elsewhere(world: World) -> Operation:
    """The volume lies on the second host, and the server runs on the first."""
    volume = _made(world)
    _move(world, volume)
    return _attach(world, volume)


def _move(world: World, volume: Volume) -> None:
    with world.hosts.opened():
        [pool], [other] = (world.hosts[name].pools.values() for name in ("host1", "host2"))
        for name in (volume.storage_name, f"{volume.storage_name}.verified"):
            other.volumes[name] = pool.volumes.pop(name)
    host2 = Hypervisor.objects.get(name="host2")
    Volume.objects.filter(pk=volume.pk).update(hypervisor=host2)


def begin_detach(world: World) -> Operation:
    attached = world.work(begin_attach(world))
    detach_volume(
        server=_server(world), volume_id=attached.subject, actor=world.actor, now=timezone.now()
    )
    return newest(world, "volume.detach")


def begin_release(world: World) -> Operation:
    world.work(begin_attach(world))
    server = _server(world)
    world.delete(server)
    world.work(Operation.objects.get(subject=server.pk, state__in=UNFINISHED))
    return newest(world, "volume.release")


def begin_upload(world: World) -> Operation:
    return _upload(world, _made(world), "raw")


def begin_upload_in_use(world: World) -> Operation:
    attached = world.work(_attach(world, _made(world)))
    return _upload(world, Volume.objects.get(pk=attached.subject), "qcow2")


def _upload(world: World, volume: Volume, disk_format: str) -> Operation:
    wanted = WantedImage(name="picture", disk_format=disk_format, force=True)
    upload_volume(volume=volume, wanted=wanted, actor=world.actor, now=timezone.now())
    return newest(world, "volume.upload")


def begin_revert(world: World) -> Operation:
    volume, snapshot = _with_snapshot(world)
    return _revert(world, volume, snapshot)


def begin_revert_of_moved(world: World) -> Operation:
    """The snapshot lies on the first host, and the volume has moved to the second."""
    volume, snapshot = _with_snapshot(world)
    _move(world, volume)
    return _revert(world, volume, snapshot)


def _with_snapshot(world: World) -> tuple[Volume, Snapshot]:
    """A volume that was written on after its snapshot was made."""
    world.work(begin_snapshot(world))
    snapshot = Snapshot.objects.select_related("volume").latest("created_at")
    with world.hosts.opened():
        [pool] = world.hosts["host1"].pools.values()
        pool.volumes[snapshot.volume.storage_name].content = b"written later"
    return snapshot.volume, snapshot


def _revert(world: World, volume: Volume, snapshot: Snapshot) -> Operation:
    revert_volume(volume=volume, snapshot=snapshot, actor=world.actor, now=timezone.now())
    return newest(world, "volume.revert")


def image_is_made(world: World, operation: Operation) -> None:
    assert operation.state == OperationState.DONE, operation.error
    image = Image.objects.get(pk=operation.subject)
    assert image.status == ImageStatus.ACTIVE
    assert image_path(image).read_bytes().endswith(b"the bytes of an image")
    _assert_as_before(world, operation)


def image_is_not_made(world: World, operation: Operation) -> None:
    """There is no image, unless it was whole already."""
    assert operation.state == OperationState.FAILED
    image = Image.objects.get(pk=operation.subject)
    if image.status != ImageStatus.ACTIVE:
        assert image.status == ImageStatus.DELETED
        assert not Reservation.objects.filter(subject=image.pk).exists()
        assert not image_path(image).exists()
    _assert_as_before(world, operation)


def _assert_as_before(world: World, operation: Operation) -> None:
    volume = Volume.objects.get(pk=UUID(operation.params["volume"]))
    is_held = Attachment.objects.filter(volume=volume).exists()
    assert volume.status == (VolumeStatus.IN_USE if is_held else VolumeStatus.AVAILABLE)
    _assert_stored(world, volume)
    for name in (taken_name(volume.pk), upload_name(volume.pk)):
        assert _stored(world, name) == {"host1": False, "host2": False}
    with world.hosts.opened():
        assert not any(host.copying for host in world.hosts.values())


def is_as_then(world: World, operation: Operation) -> None:
    """The volume is what its snapshot is, and both are free."""
    is_there(world, operation)
    volume = Volume.objects.get(pk=operation.subject)
    assert str(volume.hypervisor) == "host1"
    assert _content(world, volume) == b"the bytes of an image"
    _assert_snapshot_stays(world, operation)


def may_be_reverted_again(world: World, operation: Operation) -> None:
    """The snapshot is whole; the volume is so too, or in error and reverted once more."""
    assert operation.state == OperationState.FAILED
    _assert_snapshot_stays(world, operation)
    volume = Volume.objects.get(pk=operation.subject)
    if volume.status == VolumeStatus.AVAILABLE:
        _assert_stored(world, volume)
        assert _content(world, volume) in {b"written later", b"the bytes of an image"}
    else:
        assert volume.status == VolumeStatus.ERROR
    snapshot = Snapshot.objects.get(pk=UUID(operation.params["snapshot"]))
    is_as_then(world, world.work(_revert(world, volume, snapshot)))


def _assert_snapshot_stays(world: World, operation: Operation) -> None:
    snapshot = Snapshot.objects.get(pk=UUID(operation.params["snapshot"]))
    assert snapshot.status == "available"
    assert _stored(world, snapshot.storage_name) == {"host1": True, "host2": False}


def _content(world: World, volume: Volume) -> bytes:
    assert volume.hypervisor is not None
    with world.hosts.opened():
        [pool] = world.hosts[volume.hypervisor.name].pools.values()
        return pool.volumes[volume.storage_name].content


def is_there(world: World, operation: Operation) -> None:
    assert operation.state == OperationState.DONE, operation.error
    volume = Volume.objects.get(pk=operation.subject)
    assert volume.status == VolumeStatus.AVAILABLE
    _assert_stored(world, volume)


def stays_in_error(world: World, operation: Operation) -> None:
    assert operation.state == OperationState.FAILED
    volume = Volume.objects.get(pk=operation.subject)
    assert volume.status == VolumeStatus.ERROR
    assert _stored(world, volume.storage_name) == {"host1": False, "host2": False}


def is_gone(world: World, operation: Operation) -> None:
    assert operation.state == OperationState.DONE, operation.error
    assert not Volume.objects.filter(pk=operation.subject).exists()
    assert not Reservation.objects.filter(subject=operation.subject).exists()
    assert _stored(world, f"volume-{operation.subject}") == {"host1": False, "host2": False}


def has_grown(world: World, operation: Operation) -> None:
    is_there(world, operation)
    _assert_size(operation.subject, 2)


def has_its_old_size(world: World, operation: Operation) -> None:
    assert operation.state == OperationState.FAILED
    volume = Volume.objects.get(pk=operation.subject)
    # What fails after the last note of all was done has been done.
    is_done = volume.status == VolumeStatus.AVAILABLE
    assert is_done or volume.status == VolumeStatus.ERROR_EXTENDING
    _assert_size(operation.subject, 2 if is_done else 1)


def snapshot_is(exists: bool, status: str) -> Callable[[World, Operation], None]:
    """The snapshot is there in this status, its file too if it may be used."""

    def check(world: World, operation: Operation) -> None:
        found = list(Snapshot.objects.filter(pk=operation.subject).values_list("status", flat=True))
        assert found == ([status] if status else [])
        there = _stored(world, f"snapshot-{operation.subject}")
        assert there == {"host1": exists, "host2": False}

    return check


def is_attached(world: World, operation: Operation) -> None:
    assert operation.state == OperationState.DONE, operation.error
    volume = Volume.objects.get(pk=operation.subject)
    assert (volume.status, str(volume.hypervisor)) == (VolumeStatus.IN_USE, "host1")
    assert volume.left_hypervisor is None
    _assert_stored(world, volume)
    [attachment] = Attachment.objects.all()
    assert (attachment.volume_id, attachment.status) == (volume.pk, "attached")
    assert _disks(world) == [str(volume.pk)]


def is_free(world: World, operation: Operation) -> None:
    """The volume is on one host at the most, and no guest has it."""
    volume = Volume.objects.get(pk=operation.subject)
    assert volume.status == VolumeStatus.AVAILABLE
    assert volume.left_hypervisor is None
    _assert_stored(world, volume)
    assert not Attachment.objects.exists()
    assert _disks(world) == []


def is_free_and_done(world: World, operation: Operation) -> None:
    assert operation.state == OperationState.DONE, operation.error
    is_free(world, operation)


def is_attached_still(world: World, operation: Operation) -> None:
    """The books say so; a guest that let it go already gets it back by the next repair."""
    assert operation.state == OperationState.FAILED
    attachment = Attachment.objects.first()
    if attachment is None:
        # What fails after the last note of all was done has been done.
        is_free(world, operation)
        return
    assert Volume.objects.get(pk=operation.subject).status == VolumeStatus.IN_USE
    assert attachment.status == "attached"


def _assert_size(volume_id: UUID, size_gib: int) -> None:
    assert Volume.objects.get(pk=volume_id).size_gib == size_gib
    held = Reservation.objects.get(subject=volume_id, resource="gigabytes")
    assert held.amount == size_gib


def _assert_stored(world: World, volume: Volume) -> None:
    here = "" if volume.hypervisor is None else volume.hypervisor.name
    there = _stored(world, volume.storage_name)
    assert there == {name: name == here for name in ("host1", "host2")}


def _stored(world: World, name: str) -> dict[str, bool]:
    with world.hosts.opened():
        return {
            key: any(
                each.removesuffix(".verified") == name
                for pool in host.pools.values()
                for each in pool.volumes
            )
            for key, host in world.hosts.items()
        }


def _disks(world: World) -> list[str]:
    with world.hosts.opened():
        return [
            disk.serial
            for host in world.hosts.values()
            for guest in host.guests.values()
            for disk in guest.spec.disks
            if disk.serial
        ]

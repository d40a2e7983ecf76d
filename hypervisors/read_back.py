"""Read back from a host what was once put there, for a database that does not know of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hypervisors.connections import connected
from hypervisors.disks import BASE_PREFIX
from hypervisors.libvirt.errors import DriverError, HostUnreachable
from hypervisors.libvirt.records import GuestMetadata
from hypervisors.libvirt.spec import GuestInfo
from hypervisors.libvirt.storage import VERIFIED_SUFFIX
from hypervisors.models import CachedImage, Hypervisor, StoragePool

_UUID_LENGTH = 36


@dataclass(frozen=True)
class GuestsOnHost:
    """All guests of a host: ours with what they say of themselves, and how many others.

    `unreadable` are names of guests of ours whose metadata cannot be read, each with the reason.
    """

    ours: tuple[tuple[GuestInfo, GuestMetadata], ...]
    unreadable: tuple[tuple[str, str], ...]
    foreign: int


def read_guests(hypervisor: Hypervisor) -> GuestsOnHost:
    """Ask the host for its guests; nothing changes there.

    Raises:
        HostUnreachable: it does not answer.
    """
    ours: list[tuple[GuestInfo, GuestMetadata]] = []
    unreadable: list[tuple[str, str]] = []
    with connected(hypervisor) as host:
        guests = host.list_guests(ours_only=False)
        for info in guests:
            if not info.is_ours:
                continue
            try:
                ours.append((info, host.read_metadata(info.uuid)))
            except HostUnreachable:
                raise
            except DriverError as error:
                unreadable.append((info.name, str(error)))
    foreign = sum(not info.is_ours for info in guests)
    return GuestsOnHost(tuple(ours), tuple(unreadable), foreign)


def read_record(hypervisor: Hypervisor, server_id: UUID) -> GuestMetadata | None:
    """What one guest keeps of its server; None where it is not there or cannot be read.

    Raises:
        HostUnreachable: the host does not answer.
    """
    with connected(hypervisor) as host:
        try:
            return host.read_metadata(server_id)
        except HostUnreachable:
            raise
        except DriverError:
            return None


def read_volume(hypervisor: Hypervisor, pool: str, volume: str) -> bytes:
    """A small volume's bytes.

    Raises:
        NotOnHost: it is not there.
        HostUnreachable: the host does not answer.
    """
    with connected(hypervisor) as host:
        return host.get_content(pool, volume)


def note_base_images(hypervisor: Hypervisor, now: datetime) -> int:
    """Write down which verified base images lie in the host's pools; how many were not known.

    Raises:
        HostUnreachable: the host does not answer.
    """
    new = 0
    for pool in StoragePool.objects.filter(hypervisor=hypervisor):
        with connected(hypervisor) as host:
            volumes = host.list_volumes(pool.name, BASE_PREFIX)
        names = {volume.name for volume in volumes}
        for volume in volumes:
            image_id = _image_of(volume.name)
            if image_id is None or volume.name + VERIFIED_SUFFIX not in names:
                continue
            _, is_new = CachedImage.objects.get_or_create(
                pool=pool,
                volume=volume.name,
                defaults={
                    "image_id": image_id,
                    "is_ready": True,
                    "size": volume.allocation_bytes,
                    "created_at": now,
                },
            )
            new += is_new
    return new


def _image_of(volume: str) -> UUID | None:
    """The image that a base volume holds; None for a name of another form."""
    text = volume.removeprefix(BASE_PREFIX)
    try:
        return UUID(text[:_UUID_LENGTH]) if text[_UUID_LENGTH:].startswith("-") else None
    except ValueError:
        return None

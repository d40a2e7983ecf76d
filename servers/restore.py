"""Bring a server back into the database from what its guest says; the guest is not touched.

All of it or nothing, in one transaction, and only what is missing: a row that is there stays as it
is, so doing it twice does it once.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from hypervisors.guests import GuestInfo, GuestMetadata
from hypervisors.models import Hypervisor
from hypervisors.rescue import ROLES as RESCUE_ROLES
from quotas.consume import lock_ledger, record_use
from scheduling.place import hold_server
from scheduling.request_spec import RequestSpec
from servers.errors import GuestElsewhere, RecordUnusable, ServerWasDeleted
from servers.groups import group_named
from servers.guest_record import placement_in, record_digest
from servers.models import Server, ServerAction
from servers.power_sync import POWER
from servers.restore_image import FoundImage, find_image, restore_image
from servers.restore_networks import restore_ports
from servers.restore_owners import restore_flavor, restore_owners
from servers.restore_volumes import restore_volumes
from servers.states import PowerState, VmState

ACTION = "restore"
_MIB_PER_GIB = 1024
_MESSAGE_LENGTH = 255
_OFF = {PowerState.SHUTDOWN, PowerState.CRASHED}


@dataclass(frozen=True)
class Restoration:
    """A server that is in the database now; `notes` say what is not as it was."""

    server: Server
    is_new: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """A guest on a host: what it says of its server, and how it is.

    `user_data` is what its config drive holds, which the metadata does not.
    """

    hypervisor: Hypervisor
    metadata: GuestMetadata
    info: GuestInfo
    user_data: bytes | None = None


def restore_server(
    *, hypervisor: Hypervisor, metadata: GuestMetadata, info: GuestInfo, now: datetime
) -> Server:
    """Have the server of a guest in the database; one that is there is left as it is.

    Raises:
        ServerWasDeleted: its row says that it was deleted.
        GuestElsewhere: its row says that it is not on this host.
        RecordUnusable: the metadata is another guest's, or damaged.
    """
    return restore(Found(hypervisor, metadata, info), now=now).server


def restore(
    found: Found, *, now: datetime, undelete: bool = False, with_rights: bool = False
) -> Restoration:
    """As `restore_server`, and say what is not as it was.

    Args:
        found: the guest.
        now: this instant.
        undelete: bring a deleted server back too.
        with_rights: give the owner role and key pair even where user and project are there: they
            may have been taken away on purpose.

    Raises:
        ServerWasDeleted, GuestElsewhere, RecordUnusable: as `restore_server`.
    """
    try:
        UUID(found.metadata.server_id)
        spec = _request_spec(found.metadata)
        cells = placement_in(found.metadata)
        fields = _fields(found, now)
    except ValueError as error:
        raise RecordUnusable("The guest's metadata is damaged.", detail=str(error)) from error
    if UUID(found.metadata.server_id) != found.info.uuid:
        raise RecordUnusable(
            f"The guest {found.info.name} has the metadata of {found.metadata.server_id}."
        )
    there = _there(found, undelete=undelete)
    if there is not None:
        return Restoration(there, is_new=False)
    image, notes = find_image(found.metadata)
    with transaction.atomic():
        _lock_ledgers(found.metadata, now)
        there = _there(found, undelete=undelete)
        if there is not None:
            return Restoration(there, is_new=False)
        notes += _restore_around(found, image, with_rights=with_rights, now=now)
        server = Server(id=found.info.uuid, **fields)
        is_undeleted = Server.objects.filter(pk=server.pk).exists()
        server.save(force_insert=not is_undeleted, force_update=is_undeleted)
        hold_server(
            server_id=server.pk,
            hypervisor_id=found.hypervisor.pk,
            spec=spec,
            now=now,
            numa=cells,
            pci=found.metadata.pci,
        )
        amounts = {
            "instances": 1, "cores": server.flavor["vcpus"], "ram": server.flavor["ram_mib"]
        }  # fmt: skip
        record_use(
            project_id=server.project_id,
            subject=server.pk,
            amounts=amounts,
            now=now,
            user_id=server.user_id,
        )
        _note_action(server, notes, now)
    return Restoration(server, is_new=True, notes=tuple(notes))


def _there(found: Found, *, undelete: bool) -> Server | None:
    server = Server.objects.filter(pk=found.info.uuid).first()
    if server is None:
        return None
    if server.deleted_at is not None:
        if undelete:
            return None
        raise ServerWasDeleted(f"Server {server.pk} was deleted on {server.deleted_at:%F %T}.")
    if server.hypervisor_id != found.hypervisor.pk:
        where = f"is on {server.hypervisor}" if server.hypervisor else "is on no host"
        raise GuestElsewhere(f"Server {server.pk} {where}, not on {found.hypervisor}.")
    return server


def _lock_ledgers(record: GuestMetadata, now: datetime) -> None:
    """All that are changed, in one order, so that two restorations never wait for each other."""
    owners = {record.project_id}
    owners.update(network.project.id for network in record.networks)
    owners.update(port.project_id for port in record.ports if port.project_id)
    if record.image is not None:
        owners.add(record.image.owner.id)
    for owner in sorted(owners):
        lock_ledger(owner, now=now)


def _restore_around(
    found: Found, image: FoundImage | None, *, with_rights: bool, now: datetime
) -> list[str]:
    record = found.metadata
    notes = restore_owners(record, grant=with_rights, now=now)
    notes += restore_flavor(record.flavor, project_id=record.project_id, now=now)
    if image is not None:
        notes += restore_image(image, now=now)
    notes += restore_volumes(record, host=found.hypervisor, now=now)
    return notes + restore_ports(record, host=found.hypervisor.name, now=now)


def _vm_state(record: GuestMetadata, info: GuestInfo, power: PowerState) -> VmState:
    if any(disk.role in RESCUE_ROLES for disk in record.disks):
        return VmState.RESCUED
    if power in _OFF:
        return VmState.SUSPENDED if info.is_saved else VmState.STOPPED
    return VmState.PAUSED if power == PowerState.PAUSED else VmState.ACTIVE


def _fields(found: Found, now: datetime) -> dict[str, Any]:
    record = found.metadata
    hints = json.loads(record.scheduler_hints)
    power = POWER[found.info.power_state]
    updated_at = record.updated_at or now
    return {
        "project_id": record.project_id,
        "user_id": record.user_id,
        "name": record.name,
        "hostname": record.hostname,
        "description": record.description,
        "vm_state": _vm_state(record, found.info, power),
        "power_state": power,
        "flavor": _flavor_copy(record),
        "image_id": UUID(record.image_id) if record.image_id else None,
        "image_properties": dict(record.image_properties),
        "key_name": record.key_name,
        "public_key": record.public_key,
        "user_data": base64.b64encode(found.user_data).decode() if found.user_data else None,
        "has_config_drive": record.config_drive,
        "metadata": dict(record.user_metadata),
        "tags": list(record.tags),
        "disk_config": record.disk_config,
        "access_ip_v4": record.access_ip_v4,
        "access_ip_v6": record.access_ip_v6,
        "pinned_zone": record.pinned_zone,
        "availability_zone": record.availability_zone,
        "hypervisor": found.hypervisor,
        "request_spec": _request_spec(record).to_json(),
        "scheduler_hints": hints,
        "options": json.loads(record.options),
        "group_id": group_named(hints.get("group"), record.project_id),
        "reservation_id": record.reservation_id,
        "launch_index": record.launch_index,
        "root_device_name": record.root_device_name,
        "generation": record.generation,
        "created_at": record.created_at,
        "updated_at": updated_at,
        "launched_at": record.launched_at,
        "adopted_name": record.adopted_name or "",
        # What the guest has now; whatever came back otherwise is written into it before long.
        "record_digest": record_digest(record),
        "recorded_at": updated_at,
    }


def _flavor_copy(record: GuestMetadata) -> dict[str, Any]:
    flavor = record.flavor
    return {
        "flavorid": flavor.id,
        "name": flavor.name,
        "vcpus": flavor.vcpus,
        "ram_mib": flavor.ram_mib,
        "disk_gib": flavor.disk_gib,
        "ephemeral_gib": flavor.ephemeral_gib,
        "swap_mib": flavor.swap_mib,
        "rxtx_factor": flavor.rxtx_factor,
        "extra_specs": dict(flavor.extra_specs),
    }


def _request_spec(record: GuestMetadata) -> RequestSpec:
    """What was asked of the host; of a guest older than that, what its flavor takes."""
    known = json.loads(record.request_spec)
    if known:
        return RequestSpec.from_json(known)
    flavor = record.flavor
    swap_gib = -(-flavor.swap_mib // _MIB_PER_GIB)
    return RequestSpec(
        vcpus=flavor.vcpus,
        ram_mib=flavor.ram_mib,
        disk_gib=flavor.disk_gib + flavor.ephemeral_gib + swap_gib,
        image_id=record.image_id or "",
        zone=record.pinned_zone or "",
    )


def _note_action(server: Server, notes: Iterable[str], now: datetime) -> None:
    """In the server's history, so that what is not as it was can be read there later on."""
    ServerAction.objects.create(
        server_id=server.pk,
        action=ACTION,
        request_id=f"req-{uuid.uuid4()}",
        user_id="",
        project_id="",
        message=" ".join(notes)[:_MESSAGE_LENGTH],
        started_at=now,
        updated_at=now,
    )

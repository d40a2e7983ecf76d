"""Resize a server, or migrate it cold: it stops, moves to another host, and waits to be confirmed.

A resize takes another host where one has room, and else the server's own: what the server was is
then on a machine of its own until the resize is confirmed.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from cloudportal.errors import Conflict
from flavors.models import Flavor
from hypervisors.models import HostState, Hypervisor
from identity import policy
from identity.actors import Actor, system_actor
from images.models import Image, ImageStatus
from quotas.consume import grow
from scheduling.request_spec import RequestSpec
from servers import create_checks
from servers.attached_volumes import refuse_if_attached
from servers.begin import begin_action, check_legal, require
from servers.destination import spec_of_move
from servers.errors import (
    CannotResize,
    HostAway,
    InvalidServerRequest,
    InvalidState,
    ServerNotFound,
)
from servers.host_needs import host_needs
from servers.legal import LEGAL
from servers.models import Migration, Server
from servers.moves import COLD, amounts_of, new_move, waiting_move
from servers.options import refuse_bound_disks
from servers.states import MigrationStatus, VmState

RESIZE = "server.resize"
CONFIRM = "server.confirm_resize"
REVERT = "server.revert_resize"
MIB_PER_GIB = 1024
CONFIRM_EVERY_S = 60.0
CONFIRMED_AT_ONCE = 100
_AWAY = "Service is unavailable at this time."


def resize_server(
    *, server: Server, flavor_id: str, disk_config: str, actor: Actor, now: datetime
) -> None:
    """Give a server another flavor; its disks may grow, but not shrink.

    Raises:
        InvalidServerRequest: the flavor is not there, the same one, or does not fit the server.
        CannotResize: a disk would have to shrink.
        QuotaExceeded: it takes more than the project has left.
        HostAway: the server's host does not answer.
        DisksBound: its disks are block devices of its host.
        InvalidState: its state does not allow it, or a task is under way.
        ServerLocked: it is locked, and the actor is no administrator.
        Forbidden: the actor may not.
    """
    require(actor, LEGAL["resize"], server)
    check_legal(server, "resize", actor)
    refuse_bound_disks(server, _check_ready(server))
    if flavor_id == server.flavor["flavorid"]:
        raise InvalidServerRequest("When resizing, instances must change flavor!")
    flavor = create_checks.find_flavor(flavor_id, actor)
    image = Image.objects.filter(pk=server.image_id).first() if server.image_id else None
    _check_disks(server, flavor)
    _check_image(server, flavor, image)
    create_checks.check_disk_config(
        disk_config, server.image_id, properties=server.image_properties
    )
    spec = _spec(server, flavor)
    with transaction.atomic():
        grow(
            project_id=server.project_id,
            subject=server.pk,
            amounts=amounts_of(flavor.snapshot()),
            now=now,
            user_id=server.user_id,
        )
        migration = new_move(
            server, flavor=flavor.snapshot(), request_spec=spec.to_json(), actor=actor, now=now
        )
        _begin(server, "resize", migration, actor, now)
        if disk_config:
            Server.objects.change(server.pk, disk_config=disk_config, updated_at=now)


def migrate_server(*, server: Server, host: str, actor: Actor, now: datetime) -> None:
    """Bring a server to another host while it is off; `host` "" lets the scheduler choose.

    Raises:
        InvalidServerRequest: there is no such host, or the server is on it.
        VolumesAttached: the server has volumes, which are on its host.
        HostAway: the server's host does not answer.
        DisksBound: its disks are block devices of its host.
        InvalidState: its state does not allow it, or a task is under way.
        ServerLocked: it is locked, and the actor is no administrator.
        Forbidden: the actor may not, or not choose the host.
    """
    rule = LEGAL["migrate"]
    require(actor, rule, server)
    if host:
        policy.require(
            actor, f"{rule.policy}:host", project_id=server.project_id, user_id=server.user_id
        )
    check_legal(server, "migrate", actor)
    current = _check_ready(server)
    refuse_bound_disks(server, current)
    if host and not Hypervisor.objects.filter(name=host).exists():
        raise InvalidServerRequest(f"Compute host {host} could not be found.")
    if host == current.name:
        raise InvalidServerRequest("The target host can't be the same one.")
    spec = replace(spec_of_move(server), host="", wanted_host="")
    with transaction.atomic():
        migration = new_move(
            server, flavor=server.flavor, request_spec=spec.to_json(), actor=actor, now=now
        )
        _begin(server, "migrate", migration, actor, now, host=host)
        refuse_if_attached(server)


def confirm_resize(*, server: Server, actor: Actor, now: datetime) -> None:
    """Keep a server as it is after its resize or migration; what it was is deleted.

    Raises:
        InvalidServerRequest: nothing waits to be confirmed.
        HostAway: the host that it was on does not answer, and the actor is no administrator.
        InvalidState: it is not resized.
        ServerLocked: it is locked, and the actor is no administrator.
        Forbidden: the actor may not.
    """
    migration = _waiting(server, "confirmResize", actor)
    # An administrator gets past it, with a debt: the host may never come back.
    if not actor.is_admin:
        _check_up(migration.source)
    begin_action(
        server, "confirmResize", kind=CONFIRM, actor=actor, now=now,
        params={"migration": migration.pk},
    )  # fmt: skip


def revert_resize(*, server: Server, actor: Actor, now: datetime) -> None:
    """Bring a server back to what it was before its resize or migration.

    What its guest wrote since is lost.

    Raises:
        InvalidServerRequest: nothing waits to be reverted.
        VolumesAttached: the server was given volumes since, on the host where it is.
        HostAway: one of the two hosts does not answer.
        InvalidState: it is not resized.
        ServerLocked: it is locked, and the actor is no administrator.
        Forbidden: the actor may not.
    """
    migration = _waiting(server, "revertResize", actor)
    if migration.source is None:
        raise InvalidServerRequest("The host that the server was on has been removed.")
    _check_up(migration.source)
    _check_up(server.hypervisor)
    with transaction.atomic():
        begin_action(
            server, "revertResize", kind=REVERT, actor=actor, now=now,
            params={"migration": migration.pk},
        )  # fmt: skip
        if migration.source_id != server.hypervisor_id:
            refuse_if_attached(server)


def confirm_old_resizes(now: datetime) -> int:
    """Confirm what has waited as long as the setting says; returns how many. 0 is never."""
    window = timedelta(seconds=settings.RESIZE_CONFIRM_WINDOW_S)
    if not window:
        return 0
    resized = Server.objects.alive().filter(vm_state=VmState.RESIZED, task_state=None)
    waiting = Migration.objects.filter(
        type__in=COLD,
        status=MigrationStatus.FINISHED,
        updated_at__lte=now - window,
        server_id__in=resized.values("pk"),
    )
    done = 0
    keys = waiting.order_by("updated_at").values_list("server_id", flat=True)[:CONFIRMED_AT_ONCE]
    for server in Server.objects.alive().select_related("hypervisor").filter(pk__in=list(keys)):
        try:
            confirm_resize(server=server, actor=system_actor(f"req-{uuid.uuid4()}"), now=now)
        except (Conflict, InvalidServerRequest, ServerNotFound):
            continue  # its turn comes again
        done += 1
    return done


def _begin(
    server: Server,
    action: str,
    migration: Migration,
    actor: Actor,
    now: datetime,
    *,
    host: str = "",
) -> None:
    params = {"migration": migration.pk, "host": host}
    begin_action(server, action, kind=RESIZE, actor=actor, now=now, params=params)
    Server.objects.change(server.pk, progress=0, updated_at=now)


def _waiting(server: Server, action: str, actor: Actor) -> Migration:
    require(actor, LEGAL[action], server)
    check_legal(server, action, actor)
    migration = waiting_move(server.pk)
    if migration is None:
        raise InvalidServerRequest("Instance has not been resized.")
    return migration


def _check_ready(server: Server) -> Hypervisor:
    if server.hypervisor is None:
        raise InvalidState(f"Instance {server.pk} is not ready")
    _check_up(server.hypervisor)
    return server.hypervisor


def _check_up(host: Hypervisor | None) -> None:
    if host is not None and (host.state == HostState.DOWN or host.is_forced_down):
        raise HostAway(_AWAY)


def _check_disks(server: Server, flavor: Flavor) -> None:
    current = server.flavor
    refusal = "Server disk was unable to be resized because: {}"
    # A root disk that is a volume has its own size.
    root_gib = current["disk_gib"] if server.image_id is not None else 0
    if not flavor.disk_gib and root_gib:
        raise CannotResize(refusal.format("Resize to zero disk flavor is not allowed."))
    if flavor.disk_gib < root_gib or flavor.ephemeral_gib < current["ephemeral_gib"]:
        raise CannotResize(refusal.format("Unable to resize disk down."))


def _check_image(server: Server, flavor: Flavor, image: Image | None) -> None:
    """The minimums of the image; one that is gone asks nothing any more."""
    if image is not None and image.status != ImageStatus.DELETED:
        create_checks.check_image_fits(image, flavor)
    create_checks.check_guest(flavor, server.image_properties)


def _spec(server: Server, flavor: Flavor) -> RequestSpec:
    old, current = spec_of_move(server), server.flavor
    swap_gib = math.ceil(current["swap_mib"] / MIB_PER_GIB)
    root = flavor.disk_gib or max(0, old.disk_gib - current["ephemeral_gib"] - swap_gib)
    disk_gib = root + flavor.ephemeral_gib + math.ceil(flavor.swap_mib / MIB_PER_GIB)
    needs = host_needs(flavor, server.image_properties, disk_gib=disk_gib)
    _check_same_firmware(old, needs)
    return replace(old, **needs, host="", wanted_host="")


def _check_same_firmware(old: RequestSpec, needs: Mapping[str, Any]) -> None:
    """What secure boot and a TPM keep on the host is of the server as it was made.

    Raises:
        CannotResize: the flavors differ in it.
    """
    if (needs["secure_boot"], needs["tpm"]) != (old.secure_boot, old.tpm):
        raise CannotResize(
            "A resize does not change secure boot or the TPM: the flavors differ in "
            "os:secure_boot, hw:tpm_version or hw:tpm_model."
        )

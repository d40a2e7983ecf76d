"""Shelve servers, take shelved ones off their hosts, and bring them back."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from django.conf import settings
from django.db import transaction

from cloudportal.errors import CloudError
from hypervisors.models import DEFAULT_ZONE, Aggregate, Hypervisor
from identity import policy
from identity.actors import Actor, system_actor
from servers.begin import begin_action, check_legal, require
from servers.errors import InvalidServerRequest, InvalidState
from servers.legal import LEGAL
from servers.models import Server
from servers.placement import zone_exists
from servers.snapshot import NAME_LENGTH, make_image
from servers.states import VmState

logger = logging.getLogger(__name__)

OFFLOAD_EVERY_S = 60.0
_SUFFIX = "-shelved"


@dataclass(frozen=True)
class WantedPlace:
    """Where a server is to come back: `zone` None means no zone any more, "" as before."""

    zone: str | None = ""
    host: str = ""

    @property
    def says_anything(self) -> bool:
        """Whether a zone or host is named, or the zone is given up."""
        return self.zone != "" or bool(self.host)


ANYWHERE = WantedPlace()


def shelve_server(*, server: Server, actor: Actor, now: datetime) -> None:
    """Switch a server off and make an image of its root disk; then it may leave its host.

    Raises:
        InvalidState: its state does not allow it, or a task is under way.
        ServerLocked: it is locked, and the actor is no administrator.
        OverQuota: the project has all the images it may have.
        Forbidden: the actor may not.
    """
    require(actor, LEGAL["shelve"], server)
    check_legal(server, "shelve", actor)
    image_id = uuid4()
    name = server.name[: NAME_LENGTH - len(_SUFFIX)] + _SUFFIX
    with transaction.atomic():
        was = (
            Server.objects.select_for_update().values_list("vm_state", flat=True).get(pk=server.pk)
        )
        params = {
            "image": str(image_id),
            "was": was,
            "offload": settings.SHELVED_OFFLOAD_S == 0,
        }
        begin_action(server, "shelve", kind="server.shelve", actor=actor, now=now, params=params)
        make_image(server, image_id, name, {}, actor, now)


def offload_server(*, server: Server, actor: Actor, now: datetime) -> None:
    """Take a shelved server off its host.

    Raises:
        InvalidState: it is not shelved, or a task is under way.
        ServerLocked: it is locked, and the actor is no administrator.
        Forbidden: the actor may not.
    """
    begin_action(server, "shelveOffload", kind="server.shelve_offload", actor=actor, now=now)


def offload_those_due(now: datetime) -> int:
    """Take off their hosts all that were shelved so long ago; how many."""
    if settings.SHELVED_OFFLOAD_S <= 0:
        return 0
    long_ago = now - timedelta(seconds=settings.SHELVED_OFFLOAD_S)
    due = Server.objects.alive().filter(
        vm_state=VmState.SHELVED, task_state=None, shelved_at__lt=long_ago
    )
    done = 0
    for server in due:
        actor = system_actor(f"req-{uuid4()}")
        try:
            offload_server(server=server, actor=actor, now=now)
            done += 1
        except CloudError as error:
            logger.info("Server %s stays on its host for now: %s", server.pk, error)
    return done


def unshelve_server(
    *, server: Server, actor: Actor, now: datetime, wanted: WantedPlace = ANYWHERE
) -> None:
    """Bring a shelved server back: where it is, or if it is on no host, where there is room.

    Raises:
        InvalidState: its state does not allow it, or a task is under way; or it is on its host,
            and a place is named; or the host named is not in the zone.
        InvalidServerRequest: no such zone or host.
        ServerLocked: it is locked, and the actor is no administrator.
        Forbidden: the actor may not, or not choose a host.
    """
    require(actor, LEGAL["unshelve"], server)
    check_legal(server, "unshelve", actor)
    if wanted.host:
        rule = "os_compute_api:os-shelve:unshelve_to_host"
        policy.require(actor, rule, project_id=server.project_id)
    with transaction.atomic():
        current = Server.objects.alive().select_for_update().filter(pk=server.pk).first() or server
        is_away = current.vm_state == VmState.SHELVED_OFFLOADED
        if wanted.says_anything:
            _check_place(current, wanted)
            _pin(current, wanted)
        kind = "server.unshelve" if is_away else "server.unshelve_start"
        params = {"host": wanted.host}
        begin_action(server, "unshelve", kind=kind, actor=actor, now=now, params=params)


def _check_place(server: Server, wanted: WantedPlace) -> None:
    if server.vm_state != VmState.SHELVED_OFFLOADED:
        raise InvalidState(
            "Specifying an availability zone or a host when unshelving server "
            f"{server.pk} with status {server.vm_state} is not supported."
        )
    if wanted.zone and not zone_exists(wanted.zone):
        raise InvalidServerRequest("The requested availability zone is not available")
    if wanted.host:
        host = Hypervisor.objects.filter(name=wanted.host).first()
        if host is None:
            raise InvalidServerRequest(f"Compute host {wanted.host} could not be found.")
        zone = server.pinned_zone if wanted.zone == "" else wanted.zone
        if zone and not _is_in(host, zone):
            raise InvalidState(f'Host "{host.name}" is not in the availability zone "{zone}".')


def _is_in(host: Hypervisor, zone: str) -> bool:
    zones = Aggregate.objects.filter(hypervisors=host).exclude(availability_zone="")
    names = set(zones.values_list("availability_zone", flat=True)) or {DEFAULT_ZONE}
    return zone in names


def _pin(server: Server, wanted: WantedPlace) -> None:
    """The zone named is the server's own from now on."""
    if wanted.zone == "":
        return
    Server.objects.change(
        server.pk,
        pinned_zone=wanted.zone,
        request_spec={**server.request_spec, "zone": wanted.zone or ""},
    )

"""Remove a project with all that it owns, by the same use cases as its users would.

First its account is closed, so that what it owns can only become less; whatever raced with that is
there when the first look is taken. Then kind after kind goes: each turn begins what can be begun,
and the operation is put aside until that is over, so it holds no worker. What cannot go yet, or
what somebody protected meanwhile, it waits for, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from cloudportal.errors import CloudError
from flavors.access import remove_access
from flavors.models import FlavorAccess
from identity.actors import Actor, system_actor
from identity.changes import ProjectFields
from identity.delete import close_project, delete_project
from identity.models import Project
from identity.update import update_project
from images.delete import delete_image
from maintenance.belongings import BELONGINGS, Belonging, described, in_the_way
from maintenance.remove_project import FIRST, REMOVE
from networks.delete import delete_network, delete_port, delete_subnet
from networks.floating_ips import delete_floating_ip
from networks.models import Router
from networks.routers import delete_router, interfaces_of, remove_interface
from networks.security_groups import delete_group as delete_security_group
from operations.debts import DebtFacts
from operations.errors import Wait
from operations.kinds import Context, Kind, Step
from servers.delete import delete_server
from servers.groups import delete_group as delete_server_group
from servers.states import TaskState
from volumes.delete import delete_volume
from volumes.models import Attachment, Volume
from volumes.reserve import release_by_hand, unreserve_volume
from volumes.snapshots import delete_snapshot
from volumes.states import SnapshotStatus, VolumeStatus

# Begun in one turn, which is a few seconds of a worker at the most.
BATCH = 50
PAUSE_S = 2.0
# Somebody has to do something by hand.
OBSTACLE_PAUSE_S = 15.0

Remove = Callable[[Any, Actor, datetime], None]


def _volume(volume: Volume, actor: Actor, now: datetime) -> None:
    for attachment in Attachment.objects.filter(volume=volume, by_compute=False):
        release_by_hand(attachment=attachment, actor=actor)
    if volume.status == VolumeStatus.RESERVED:
        unreserve_volume(volume=volume, actor=actor, now=now)
    delete_volume(volume=volume, cascade=False, actor=actor, now=now)


def _router(router: Router, actor: Actor, now: datetime) -> None:
    for port in interfaces_of(router.pk):
        remove_interface(router=router, subnet_id=None, port_id=str(port.pk), actor=actor, now=now)
    delete_router(router=router, actor=actor)


def _flavor_access(access: FlavorAccess, actor: Actor, now: datetime) -> None:
    # Of a project that somebody deleted meanwhile the use case knows nothing any more.
    if Project.objects.filter(pk=access.project_id).exists():
        remove_access(flavor=access.flavor, project_id=access.project_id, actor=actor)
    else:
        access.delete()


_REMOVE: dict[str, Remove] = {
    "servers": lambda row, actor, now: delete_server(server=row, actor=actor, now=now),
    "images": lambda row, actor, now: delete_image(image=row, actor=actor, now=now),
    "volume_snapshots": lambda row, actor, now: delete_snapshot(snapshot=row, actor=actor, now=now),
    "volumes": _volume,
    "floating_ips": lambda row, actor, now: delete_floating_ip(
        floating_ip=row, actor=actor, now=now
    ),
    "routers": _router,
    "ports": lambda row, actor, now: delete_port(port=row, actor=actor, now=now),
    "subnets": lambda row, actor, now: delete_subnet(subnet=row, actor=actor),
    "networks": lambda row, actor, now: delete_network(network=row, actor=actor, now=now),
    "security_groups": lambda row, actor, now: delete_security_group(group=row, actor=actor),
    "server_groups": lambda row, actor, now: delete_server_group(group=row, actor=actor),
    "flavor_access": _flavor_access,
}
# What is being removed already: these take longer than their use case.
_BEGUN = {
    "servers": Q(task_state=TaskState.DELETING),
    "volume_snapshots": Q(status=SnapshotStatus.DELETING),
    "volumes": Q(status=VolumeStatus.DELETING),
}


def close(context: Context) -> None:
    """Let nobody into the project, and nothing more be made in it."""
    now = timezone.now()
    with transaction.atomic():
        close_project(project_id=context.params["project"], now=now)
        project = Project.objects.filter(pk=context.params["project"], enabled=True).first()
        if project is not None:
            fields = ProjectFields(enabled=False)
            update_project(project=project, fields=fields, actor=_actor(context))


def empty(context: Context) -> None:
    """Remove what the project owns, kind after kind.

    Raises:
        Wait: some of it is still there.
    """
    project_id = context.params["project"]
    obstacles = in_the_way(project_id, first=FIRST)
    if obstacles:
        words = "; ".join(map(described, obstacles))
        raise Wait(f"In the way are {words}.", seconds=OBSTACLE_PAUSE_S)
    for belonging in BELONGINGS:
        if not belonging.goes_with:
            _remove_all(context, belonging)


def _remove_all(context: Context, belonging: Belonging) -> None:
    rows = belonging.rows(context.params["project"])
    begun = _BEGUN.get(belonging.kind)
    begun_now, refused = 0, ""
    for row in rows.exclude(begun) if begun else rows:
        context.checkpoint()
        try:
            _REMOVE[belonging.kind](row, _actor(context), timezone.now())
        except CloudError as error:
            # It may go later: a volume that is being copied, a snapshot that is being made.
            refused = refused or error.message
            continue
        begun_now += 1
        if begun_now >= BATCH:
            break
    left = rows.count()
    if left:
        words = f"{left} {belonging.words} are still there. {refused}".strip()
        raise Wait(words, seconds=PAUSE_S)


def forget(context: Context) -> None:
    """Delete the project with its roles, credentials and limits.

    Raises:
        Wait: somebody moved something into it meanwhile.
    """
    empty(context)
    project = Project.objects.filter(pk=context.params["project"]).first()
    if project is not None:
        delete_project(project=project, actor=_actor(context), now=timezone.now())


def describe_removals(params: Sequence[Mapping[str, Any]]) -> list[DebtFacts]:
    """Which projects are being removed, for who looks at what is tried for ever."""
    return [
        DebtFacts(what=f"Remove the project {each['name']} with all that it owns")
        for each in params
    ]


def _actor(context: Context) -> Actor:
    """Whoever asked for the removal, as an administrator."""
    return replace(
        system_actor(context.request_id),
        user_id=context.params["user_id"],
        user_name=context.params["user_name"],
    )


REMOVE_KIND = Kind(
    REMOVE,
    steps=[
        # No undo anywhere: a removal goes forward.
        Step("close", close),
        Step("empty", empty),
        Step("forget", forget),
    ],
    # Hosts may be away, and things in the way, for as long as they like.
    retries=None,
    deadline_s=None,
)

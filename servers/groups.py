"""Server groups: servers that are kept on one host, or each on another one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from identity import policy
from identity.actors import Actor
from quotas.consume import consume, limits, release
from quotas.resources import UNLIMITED
from scheduling.groups import GroupOfServers
from servers import rules as rules
from servers.create_checks import project_of
from servers.errors import (
    InvalidGroupRules,
    InvalidServerRequest,
    ServerGroupNotFound,
    TooManyMembers,
)
from servers.models import GroupPolicy, Server, ServerGroup

MAX_PER_HOST = "max_server_per_host"


def visible_groups(actor: Actor, *, all_projects: bool = False) -> QuerySet[ServerGroup]:
    """The groups of the actor's project, oldest first; of all projects if an administrator asks.

    Raises:
        Forbidden: the actor may not read them.
    """
    rule = "os_compute_api:os-server-groups:index"
    policy.require(actor, rule, project_id=actor.project_id)
    if all_projects and policy.allows(actor, f"{rule}:all_projects"):
        return ServerGroup.objects.all()
    return ServerGroup.objects.filter(project_id=actor.project_id or "")


def find_group(*, actor: Actor, group_id: str | UUID, rule: str) -> ServerGroup:
    """The group of this id, for a caller who passes the rule.

    Raises:
        ServerGroupNotFound: there is none, or it is another project's.
        Forbidden: the caller's role in the project does not suffice.
    """
    group = None
    try:
        groups = ServerGroup.objects.filter(pk=UUID(str(group_id)))
    except ValueError:
        groups = ServerGroup.objects.none()
    if not actor.is_admin:
        groups = groups.filter(project_id=actor.project_id or "")
    group = groups.first()
    if group is None:
        raise ServerGroupNotFound(f"Instance group {group_id} could not be found.")
    policy.require(actor, rule, project_id=group.project_id)
    return group


def members_of(groups: list[ServerGroup]) -> dict[UUID, list[str]]:
    """The servers of each group that are not deleted, oldest first; in one query."""
    found: dict[UUID, list[str]] = {group.pk: [] for group in groups}
    rows = Server.objects.alive().filter(group__in=found).order_by("created_at", "launch_index")
    for group_id, server_id in rows.values_list("group_id", "id"):
        if group_id is not None:
            found[group_id].append(str(server_id))
    return found


def create_group(
    *, name: str, group_policy: str, group_rules: Mapping[str, int], actor: Actor, now: datetime
) -> ServerGroup:
    """Make an empty group in the actor's project.

    Raises:
        InvalidServerRequest: the actor's token is for no project.
        InvalidGroupRules: a limit for each host goes with hard anti-affinity alone.
        QuotaExceeded: the project has as many groups as it may.
        Forbidden: the actor may not.
    """
    rule = "os_compute_api:os-server-groups:create"
    policy.require(actor, rule, project_id=actor.project_id)
    if group_rules and group_policy != GroupPolicy.ANTI_AFFINITY:
        raise InvalidGroupRules("Only anti-affinity policy supports rules.")
    project_id = project_of(actor)
    group = ServerGroup(
        project_id=project_id,
        user_id=actor.user_id,
        name=name,
        policy=group_policy,
        rules=dict(group_rules),
        created_at=now,
    )
    with transaction.atomic():
        consume(
            project_id=project_id,
            subject=group.pk,
            amounts={"server_groups": 1},
            now=now,
            user_id=actor.user_id,
        )
        group.save(force_insert=True)
    return group


def delete_group(*, group: ServerGroup, actor: Actor) -> None:
    """Forget the group; its servers stay where they are.

    Raises:
        ServerGroupNotFound: it was deleted meanwhile.
        Forbidden: the actor may not.
    """
    rule = "os_compute_api:os-server-groups:delete"
    policy.require(actor, rule, project_id=group.project_id)
    with transaction.atomic():
        # Whoever places a member holds this lock, so that none is added to a group half gone.
        locked = ServerGroup.objects.select_for_update().filter(pk=group.pk).first()
        if locked is None:
            raise ServerGroupNotFound(f"Instance group {group.pk} could not be found.")
        locked.delete()
        release(subject=group.pk)


def lock_for_members(*, group_id: UUID, user_id: str, project_id: str, count: int) -> None:
    """Hold the group, inside the caller's transaction, while so many servers are put into it.

    Raises:
        InvalidServerRequest: it is gone.
        TooManyMembers: with those of the user that are there it would be more than allowed.
    """
    # Not a full lock: on PostgreSQL that would collide with the reference each member's row holds.
    held = ServerGroup.objects.select_for_update(no_key=True).filter(pk=group_id).first()
    if held is None:
        raise InvalidServerRequest(f"Instance group {group_id} could not be found.")
    allowed = limits(project_id, user_id)["server_group_members"]
    there = Server.objects.alive().filter(group=held, user_id=user_id).count()
    if allowed != UNLIMITED and there + count > allowed:
        raise TooManyMembers("Quota exceeded, too many servers in group")


def group_named(hint: object, project_id: str) -> UUID | None:
    """The project's group that a server's hint names, None when there is none any more."""
    named = hint[0] if isinstance(hint, list) and hint else hint
    try:
        key = UUID(str(named))
    except ValueError:
        return None
    groups = ServerGroup.objects.filter(pk=key, project_id=project_id)
    return groups.values_list("pk", flat=True).first()


def group_of_server(server_id: UUID, *, lock: bool) -> GroupOfServers | None:
    """The group of a server with its other members, None when it is in none.

    With `lock`, inside a transaction, no other member of it is placed until that ends.
    """
    groups = ServerGroup.objects.filter(members=server_id)
    if lock:
        groups = groups.select_for_update(no_key=True, of=("self",))
    group = groups.first()
    if group is None:
        return None
    others = Server.objects.alive().filter(group=group).exclude(pk=server_id)
    return GroupOfServers(
        policy=group.policy,
        max_per_host=group.rules.get(MAX_PER_HOST, 1),
        others=tuple(others.values_list("pk", flat=True)),
    )

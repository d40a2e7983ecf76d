"""Security groups: the default one of each project, and finding those a server names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction
from django.db.models import Q

from networks.errors import BadNetworkRequest, NoUniqueMatch
from networks.models import SecurityGroup, SecurityGroupRule

DEFAULT_GROUP = "default"
FAMILIES = ("IPv4", "IPv6")


def default_group(project_id: str, *, now: datetime, group_id: UUID | None = None) -> SecurityGroup:
    """The project's default group, made at its first use, then with this id if one is given."""
    found = SecurityGroup.objects.filter(project_id=project_id, name=DEFAULT_GROUP).first()
    if found is not None:
        return found
    try:
        with transaction.atomic():
            return _make_default(project_id, group_id or uuid4(), now)
    except IntegrityError:
        # Somebody else made it between the look and the insert.
        return SecurityGroup.objects.get(project_id=project_id, name=DEFAULT_GROUP)


def _make_default(project_id: str, group_id: UUID, now: datetime) -> SecurityGroup:
    group = SecurityGroup.objects.create(
        id=group_id,
        project_id=project_id,
        name=DEFAULT_GROUP,
        description="Default security group",
        created_at=now,
        updated_at=now,
    )
    let_out(group, now=now)
    SecurityGroupRule.objects.bulk_create(
        SecurityGroupRule(
            group=group, direction="ingress", ethertype=family, remote_group=group, created_at=now
        )
        for family in FAMILIES
    )
    return group


def let_out(group: SecurityGroup, *, now: datetime) -> None:
    """The rules that every new group has: whatever goes out may."""
    SecurityGroupRule.objects.bulk_create(
        SecurityGroupRule(group=group, direction="egress", ethertype=family, created_at=now)
        for family in FAMILIES
    )


def resolve_security_groups(
    names_or_ids: Sequence[str], project_id: str, now: datetime
) -> list[SecurityGroup]:
    """The groups of these names or ids, each once; without any the default group.

    Raises:
        BadNetworkRequest: a name or id that the project does not have.
        NoUniqueMatch: several groups of a name.
    """
    default = default_group(project_id, now=now)
    wanted = list(dict.fromkeys(names_or_ids))
    if wanted in ([], [DEFAULT_GROUP]):
        return [default]
    ids = [identifier for text in wanted if (identifier := _uuid(text))]
    rows = list(
        SecurityGroup.objects.filter(project_id=project_id).filter(
            Q(name__in=wanted) | Q(pk__in=ids)
        )
    )
    groups = [_match(rows, text) for text in wanted]
    return list({group.pk: group for group in groups}.values())


def _match(rows: Sequence[SecurityGroup], text: str) -> SecurityGroup:
    by_id = [row for row in rows if row.pk == _uuid(text)]
    found = by_id or [row for row in rows if row.name == text]
    if not found:
        raise BadNetworkRequest(f"Unable to find security_group with name or id '{text}'")
    if len(found) > 1:
        raise NoUniqueMatch(
            f"Multiple security_group matches found for name '{text}', "
            "use an ID to be more specific."
        )
    return found[0]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None

"""Remove a project with all that it owns: what there is, and asking for it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

import maintenance.rules  # noqa: F401 - declares the rules
from identity import policy
from identity.actors import Actor
from identity.errors import NotYours
from identity.find import find_project
from identity.models import Project
from identity.options import check_deletable
from maintenance.belongings import (
    BY_KIND,
    Belonging,
    Rows,
    Some,
    described,
    in_the_way,
    owned_by,
)
from maintenance.errors import NoSuchBelonging, OwnProject, ProjectNotRemovable
from operations.enqueue import supersede
from operations.models import UNFINISHED, Operation, StepRecord

REMOVE = "project.remove"
SHOW = "cloudportal:projects:contents:show"
ASK = "cloudportal:projects:contents:remove"
# Things of a kind that are named beside their number.
FIRST = 10
_SPACE = uuid.UUID("6c0f2a0e-0f0b-4d3c-8a8e-0c9f2f6c2a55")


@dataclass(frozen=True)
class Removal:
    """How far it is; `note` is what it waits for or what went wrong last, "" when neither."""

    operation: Operation
    note: str


@dataclass(frozen=True)
class Contents:
    """What a project owns and what is in the way of its removal, both in the order of that."""

    project: Project
    owned: list[Some]
    obstacles: list[Some]
    removal: Removal | None


def subject_of(project_id: str) -> uuid.UUID:
    """What the removal of a project is an operation on."""
    return uuid.uuid5(_SPACE, project_id)


def contents_of(*, project_id: str, actor: Actor, first: int = FIRST) -> Contents:
    """What the project owns, with the first so many of each kind.

    Raises:
        NotYours: the actor does not administer the cloud, or only another domain.
        NoSuchThing: there is no such project.
    """
    project = _project(project_id, SHOW, actor)
    return Contents(
        project,
        owned_by(project.id, first=first),
        in_the_way(project.id, first=first),
        newest_removal(project.id),
    )


def belongings_of(*, project_id: str, kind: str, actor: Actor) -> tuple[Belonging, Rows]:
    """All things of one kind that the project owns.

    Raises:
        NotYours: the actor does not administer the cloud, or only another domain.
        NoSuchThing: there is no such project.
        NoSuchBelonging: there is no such kind.
    """
    project = _project(project_id, SHOW, actor)
    belonging = BY_KIND.get(kind)
    if belonging is None:
        raise NoSuchBelonging(f"Projects own no {kind}, but {', '.join(BY_KIND)}.")
    return belonging, belonging.rows(project.id)


def remove_project(*, project_id: str, actor: Actor, now: datetime) -> Operation:
    """Begin to remove a project with all that it owns; begun before, it goes on as it is.

    Raises:
        NotYours: the actor does not administer the cloud, or only another domain.
        NoSuchThing: there is no such project.
        OwnProject: it is the one that the actor acts in.
        Immutable: its option says that it stays.
        ProjectNotRemovable: something is in the way.
    """
    project = _project(project_id, ASK, actor)
    if project.id == actor.project_id:
        raise OwnProject(
            f"You act in the project {project.name} yourself: remove it from another one."
        )
    check_deletable(project)
    obstacles = in_the_way(project.id, first=FIRST)
    with transaction.atomic():
        subject = subject_of(project.id)
        is_begun = Operation.objects.filter(subject=subject, state__in=UNFINISHED).exists()
        if obstacles and not is_begun:
            raise ProjectNotRemovable(
                f"The project {project.name} cannot be removed as long as there are "
                f"{'; '.join(map(described, obstacles))}."
            )
        return supersede(
            REMOVE,
            subject=subject,
            params={
                **{"project": project.id, "name": project.name},
                **{"user_id": actor.user_id, "user_name": actor.user_name},
            },
            request_id=actor.request_id,
            now=now,
        )


def newest_removal(project_id: str) -> Removal | None:
    """The removal that is under way, or the last one; None when there was none."""
    found = Operation.objects.filter(subject=subject_of(project_id)).order_by("-created_at").first()
    if found is None:
        return None
    last = StepRecord.objects.filter(operation=found).order_by("-pk").values_list("message").first()
    return Removal(found, last[0] if last and found.state in UNFINISHED else "")


def _project(project_id: str, rule: str, actor: Actor) -> Project:
    if not policy.allows(actor, rule):
        raise NotYours(rule)
    project = find_project(project_id=project_id, actor=actor)
    # Whoever administers a domain alone has no say in another one's projects.
    if actor.domain_id not in (None, project.domain_id):
        raise NotYours(rule)
    return project

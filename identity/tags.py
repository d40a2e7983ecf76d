"""Tags of projects: short words, as many as 80, by which lists can be narrowed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.db import transaction

from cloudportal.errors import Invalid
from identity.actors import Actor
from identity.changes import ProjectFields
from identity.errors import NoSuchThing
from identity.models import Project
from identity.options import check_changeable
from identity.rules import require

MAX_TAGS = 80


def tags_of(*, project: Project, actor: Actor) -> list[str]:
    """A project's tags, in the order in which they came.

    Raises:
        NotYours: another project.
    """
    require(actor, "identity:list_project_tags", project_id=project.pk)
    return list(project.tags)


def check_tag(*, project: Project, tag: str, actor: Actor) -> None:
    """Pass if the project has the tag.

    Raises:
        NotYours: another project.
        NoSuchThing: it has not.
    """
    require(actor, "identity:get_project_tag", project_id=project.pk)
    if tag not in project.tags:
        raise NoSuchThing("project tag", tag)


def replace_tags(*, project: Project, tags: Sequence[str], actor: Actor) -> list[str]:
    """Give a project these tags and no others.

    Raises:
        NotYours: the actor does not administer the cloud.
        Immutable: nothing of the project changes.
    """
    require(actor, "identity:update_project_tags")
    return _changed(project, lambda _: list(tags))


def add_tag(*, project: Project, tag: str, actor: Actor) -> list[str]:
    """Give a project one more tag; twice means once.

    Raises:
        NotYours: the actor does not administer the cloud.
        Immutable: nothing of the project changes.
        Invalid: it has as many as there may be.
    """
    require(actor, "identity:create_project_tag")
    return _changed(project, lambda tags: tags if tag in tags else [*tags, tag])


def remove_tag(*, project: Project, tag: str, actor: Actor) -> None:
    """Take a tag from a project.

    Raises:
        NotYours: the actor does not administer the cloud.
        Immutable: nothing of the project changes.
        NoSuchThing: it has not that tag.
    """
    require(actor, "identity:delete_project_tag")
    check_tag(project=project, tag=tag, actor=actor)
    _changed(project, lambda tags: [each for each in tags if each != tag])


def remove_tags(*, project: Project, actor: Actor) -> None:
    """Take all tags from a project.

    Raises:
        NotYours: the actor does not administer the cloud.
        Immutable: nothing of the project changes.
    """
    require(actor, "identity:delete_project_tags")
    _changed(project, lambda _: [])


def _changed(project: Project, change: Callable[[list[str]], list[str]]) -> list[str]:
    with transaction.atomic():
        # Two who each add a tag at the same moment have both.
        locked = Project.objects.select_for_update().get(pk=project.pk)
        tags = change(locked.tags)
        if len(tags) > MAX_TAGS:
            raise Invalid(f"A project has at most {MAX_TAGS} tags.")
        check_changeable(locked, ProjectFields(tags=tags))
        locked.tags = tags
        locked.save(update_fields=["tags"])
    return tags

"""The words that owners put on their things, to find them by."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, Model, OuterRef, Q

from identity.actors import Actor
from networks.errors import InvalidInput, TagNotFound
from networks.lookup import require
from networks.models import SecurityGroupRule, Tag
from networks.models.sharing import TAGGED

MOST_TAGS = 50
LONGEST_TAG = 255


def replace_tags(
    *, row: Model, rule: str, words: Collection[str], actor: Actor, now: datetime
) -> list[str]:
    """Let the thing bear these words and no others; all that it bears then, sorted.

    `rule` is what lets the actor change it.

    Raises:
        PolicyNotAuthorized: the actor may not change it.
        InvalidInput: a word is none, or there are too many.
    """
    require(actor, rule, owner_of(row))
    wanted = _checked(words)
    with transaction.atomic():
        rows = _rows(row)
        rows.exclude(word__in=wanted).delete()
        _add(row, wanted)
        _changed(row, now)
    return sorted(wanted)


def add_tags(
    *, row: Model, rule: str, words: Collection[str], actor: Actor, now: datetime
) -> list[str]:
    """Let the thing bear these words besides; all that it bears then, sorted.

    Raises:
        PolicyNotAuthorized: the actor may not change it.
        InvalidInput: a word is none, or there are too many.
    """
    require(actor, rule, owner_of(row))
    with transaction.atomic():
        _add(row, _checked(words))
        found = sorted(_rows(row).values_list("word", flat=True))
        _checked(found)
        _changed(row, now)
    return found


def remove_tag(*, row: Model, rule: str, word: str, actor: Actor, now: datetime) -> None:
    """Take a word off the thing.

    Raises:
        PolicyNotAuthorized: the actor may not change it.
        TagNotFound: it does not bear that word.
    """
    require(actor, rule, owner_of(row))
    with transaction.atomic():
        gone, _ = _rows(row).filter(word=word).delete()
        if not gone:
            raise TagNotFound(f"Tag {word[:LONGEST_TAG]} could not be found.")
        _changed(row, now)


def tags_of(rows: Iterable[Model]) -> dict[Any, list[str]]:
    """By their keys the words of things of one kind, sorted; one query however many."""
    rows = list(rows)
    found: dict[Any, list[str]] = {row.pk: [] for row in rows}
    if rows:
        column = TAGGED[type(rows[0])]
        words = Tag.objects.filter(**{f"{column}__in": list(found)}).order_by("word")
        for key, word in words.values_list(column, "word"):
            found[key].append(word)
    return found


def bears_all(model: type[Model], words: Iterable[str]) -> Q:
    """Things that bear each of the words."""
    condition = Q()
    for word in words:
        condition &= Q(_bears(model, [word]))
    return condition


def bears_any(model: type[Model], words: Collection[str]) -> Q:
    """Things that bear one of the words."""
    return Q(_bears(model, words))


def _bears(model: type[Model], words: Collection[str]) -> Exists:
    return Exists(Tag.objects.filter(**{TAGGED[model]: OuterRef("pk")}, word__in=words))


def owner_of(row: Model) -> str:
    """Whose the thing is; a rule is its group's owner's."""
    owner: str = (row.group if isinstance(row, SecurityGroupRule) else row).project_id  # type: ignore[attr-defined]  # all things that have tags have it
    return owner


def _rows(row: Model) -> Any:
    return Tag.objects.filter(**{TAGGED[type(row)]: row})


def _add(row: Model, words: Iterable[str]) -> None:
    made = [Tag(**{TAGGED[type(row)]: row}, word=word) for word in words]
    Tag.objects.bulk_create(made, ignore_conflicts=True)


def _checked(words: Collection[str]) -> set[str]:
    wanted = set(words)
    if len(wanted) > MOST_TAGS:
        raise InvalidInput(f"Invalid input for tags: there are more than {MOST_TAGS}.")
    for word in wanted:
        if not 0 < len(word) <= LONGEST_TAG or "\0" in word:
            raise InvalidInput(
                f"Invalid input for tags: each has 1 to {LONGEST_TAG} characters, and no NUL."
            )
    return wanted


def _changed(row: Model, now: datetime) -> None:
    if not isinstance(row, SecurityGroupRule):
        rows = type(row)._default_manager.filter(pk=row.pk)
        rows.update(updated_at=now, revision=F("revision") + 1)

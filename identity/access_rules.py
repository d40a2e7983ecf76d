"""Access rules: the requests that an application credential is limited to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from identity.actors import Actor
from identity.errors import BadApplicationCredential, NoSuchThing, RuleInUse
from identity.models import AccessRule, ApplicationCredential
from identity.rules import require

# The first part of an address, and the service types by which a rule may mean it.
_SERVICES = {
    "identity": {"identity"},
    "compute": {"compute"},
    "image": {"image"},
    "network": {"network"},
    "volume": {"block-storage", "block-store", "volumev3", "volume"},
}
_ANY = "**"
_SEGMENT = "*"


@dataclass(frozen=True)
class WantedRule:
    """A rule as a client names it: an existing one by its id, or a service, method and path."""

    id: str = ""
    service: str = ""
    method: str = ""
    path: str = ""


def rules_for(user_id: str, wanted: Iterable[WantedRule] | None) -> list[dict[str, Any]] | None:
    """The rules as a credential keeps them; those that the user has not yet are made.

    Raises:
        BadApplicationCredential: the user has no rule of an id.
    """
    if wanted is None:
        return None
    return [_form(_rule(user_id, rule)) for rule in wanted]


def access_rules_of(*, user_id: str, actor: Actor) -> QuerySet[AccessRule]:
    """A user's access rules.

    Raises:
        NotYours: another user's.
    """
    require(actor, "identity:list_access_rules", user_id=user_id)
    return AccessRule.objects.filter(user_id=user_id)


def find_access_rule(*, user_id: str, rule_id: str, actor: Actor) -> AccessRule:
    """One of a user's access rules.

    Raises:
        NotYours: another user's.
        NoSuchThing: the user has none of that id.
    """
    require(actor, "identity:get_access_rule", user_id=user_id)
    found = AccessRule.objects.filter(pk=rule_id, user_id=user_id).first()
    if found is None:
        raise NoSuchThing("Access Rule", rule_id)
    return found


def delete_access_rule(*, rule: AccessRule, actor: Actor) -> None:
    """Delete a rule that no application credential has.

    Raises:
        NotYours: another user's.
        RuleInUse: one has it.
    """
    require(actor, "identity:delete_access_rule", user_id=rule.user_id)
    kept = ApplicationCredential.objects.filter(user_id=rule.user_id, access_rules__isnull=False)
    for rules in kept.values_list("access_rules", flat=True):
        if any(each["id"] == rule.id for each in rules or ()):
            raise RuleInUse(rule.id)
    rule.delete()


def is_allowed(rules: Iterable[dict[str, Any]], method: str, path: str) -> bool:
    """Whether one of the rules allows a request to this path of the portal."""
    _, first, *rest = [*path.split("/", 2), ""]
    names = _SERVICES.get(first, set())
    inside = f"/{rest[0]}"
    return any(
        rule["service"] in names and rule["method"] == method and matches(rule["path"], inside)
        for rule in rules
    )


def matches(pattern: str, path: str) -> bool:
    """Whether a path is of the pattern: `*` and `{name}` are one part of it, `**` is anything.

    Follows all ways through the pattern at once, so that no pattern makes it slow. Source of the
    meaning: keystonemiddleware, `_path_matches`.
    """
    tokens = list(_tokens(pattern))
    reached = _skipped({0}, tokens)
    for letter in path:
        after: set[int] = set()
        for place in reached:
            if place < len(tokens):
                after |= _step(place, tokens, letter)
        reached = _skipped(after, tokens)
    return len(tokens) in reached


def _step(place: int, tokens: list[str], letter: str) -> set[int]:
    token = tokens[place]
    if token == _ANY:
        return {place}
    if token == _SEGMENT:
        return set() if letter == "/" else {place, place + 1}
    return {place + 1} if token == letter else set()


def _skipped(places: set[int], tokens: list[str]) -> set[int]:
    """With those behind a `**`, which may stand for nothing."""
    found = set(places)
    for place in sorted(places):
        behind = place
        while behind < len(tokens) and tokens[behind] == _ANY:
            behind += 1
            found.add(behind)
    return found


def _tokens(pattern: str) -> Iterator[str]:
    place = 0
    while place < len(pattern):
        end = pattern.find("}", place) if pattern[place] == "{" else -1
        if end > 0:
            yield _SEGMENT
            place = end + 1
        elif pattern.startswith(_ANY, place):
            yield _ANY
            place += len(_ANY)
        else:
            yield pattern[place]
            place += 1


def _rule(user_id: str, wanted: WantedRule) -> AccessRule:
    if not wanted.id:
        return AccessRule.objects.get_or_create(
            user_id=user_id, service=wanted.service, method=wanted.method, path=wanted.path
        )[0]
    found = AccessRule.objects.filter(pk=wanted.id, user_id=user_id).first()
    if found is None:
        raise BadApplicationCredential(f"Could not find Access Rule: {wanted.id}.")
    return found


def _form(rule: AccessRule) -> dict[str, Any]:
    return {"id": rule.id, "service": rule.service, "method": rule.method, "path": rule.path}

"""Implied roles: which role includes which others, at whatever remove."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db import transaction
from django.db.models import F, QuerySet

from identity.actors import IMPLIED_ROLES, Actor, with_implied
from identity.errors import BuiltInImplication, CannotBeImplied, NotImplied
from identity.models import BUILT_IN_IMPLICATIONS, ImpliedRole, Role
from identity.rules import require

# Nobody administers the cloud without being told so by name. Source of the rule: the identity
# service's option `prohibited_implied_role`.
_NEVER_IMPLIED = "admin"


def imply_role(*, prior: Role, implied: Role, actor: Actor) -> ImpliedRole:
    """Let whoever has the prior role have the implied one as well; twice means once.

    Raises:
        NotYours: the actor does not administer the cloud.
        CannotBeImplied: the role admin, the prior role itself, or a role of another domain.
    """
    require(actor, "identity:create_implied_role")
    if implied.domain_id is None and implied.name == _NEVER_IMPLIED:
        raise CannotBeImplied(implied.id, f"{_NEVER_IMPLIED} is only ever given")
    if implied.pk == prior.pk:
        raise CannotBeImplied(implied.id, "it would imply itself")
    if implied.domain_id not in (None, prior.domain_id):
        raise CannotBeImplied(implied.id, "it is of a domain that the prior role is not of")
    with transaction.atomic():
        return ImpliedRole.objects.get_or_create(prior=prior, implied=implied)[0]


def check_implied(*, prior: Role, implied: Role, actor: Actor) -> None:
    """Pass if the one implies the other directly.

    Raises:
        NotYours: the actor does not administer the cloud.
        NotImplied: it does not.
    """
    require(actor, "identity:get_implied_role")
    if not ImpliedRole.objects.filter(prior=prior, implied=implied).exists():
        raise NotImplied(prior.id, implied.id)


def stop_implying(*, prior: Role, implied: Role, actor: Actor) -> None:
    """Take an implication back; tokens lose the implied role at once.

    Raises:
        NotYours: the actor does not administer the cloud.
        BuiltInImplication: the policy stands on it.
        NotImplied: there is no such implication.
    """
    require(actor, "identity:delete_implied_role")
    is_pair = (prior.name, implied.name) in BUILT_IN_IMPLICATIONS
    if is_pair and prior.is_built_in and implied.is_built_in:
        raise BuiltInImplication(prior.name, implied.name)
    if not ImpliedRole.objects.filter(prior=prior, implied=implied).delete()[0]:
        raise NotImplied(prior.id, implied.id)


def implied_by(*, prior: Role, actor: Actor) -> QuerySet[Role]:
    """The roles that one implies directly, by name.

    Raises:
        NotYours: the actor does not administer the cloud.
    """
    require(actor, "identity:list_implied_roles")
    return Role.objects.filter(implied_by__prior=prior).order_by("name", "id")


def all_implications(*, actor: Actor) -> list[tuple[Role, list[Role]]]:
    """Every role that implies others, with those that it implies directly, by name.

    Raises:
        NotYours: the actor does not administer the cloud.
    """
    require(actor, "identity:list_role_inference_rules")
    found: dict[str, tuple[Role, list[Role]]] = {}
    rows = ImpliedRole.objects.select_related("prior", "implied")
    for row in rows.order_by("prior__name", "prior_id", "implied__name", "implied_id"):
        found.setdefault(row.prior_id, (row.prior, []))[1].append(row.implied)
    return list(found.values())


class Implications:
    """All roles and what they imply, as they are now; one query."""

    def __init__(self) -> None:
        self._roles: dict[str, Role] = {}
        self._implied: dict[str, list[str]] = {}
        # A row for each that a role implies, or one.
        rows = Role.objects.annotate(implied_id=F("implies__implied_id"))
        for role in rows.order_by("name", "id"):
            self._roles[role.id] = role
            implied_id: str | None = role.implied_id  # type: ignore[attr-defined]  # annotated
            if implied_id is not None:
                self._implied.setdefault(role.id, []).append(implied_id)
        by_name = {role.name: role.id for role in self._roles.values() if role.domain_id is None}
        for prior, names in IMPLIED_ROLES.items():
            if prior in by_name:
                ids = [by_name[name] for name in names if name in by_name]
                self._implied.setdefault(by_name[prior], []).extend(ids)

    def of(self, role: Role) -> list[Role]:
        """What a role implies at whatever remove, of the roles that count by themselves."""
        found = (self._roles[each] for each in self._reached([role.id]) if each != role.id)
        return [each for each in found if each.domain_id is None]

    def names(self, role_ids: Iterable[str]) -> frozenset[str]:
        """The names of roles, with all they imply; of those that count by themselves."""
        found = (self._roles[each] for each in self._reached(role_ids))
        return with_implied(role.name for role in found if role.domain_id is None)

    def _reached(self, role_ids: Iterable[str]) -> Iterator[str]:
        waiting = [each for each in role_ids if each in self._roles]
        seen = set(waiting)
        while waiting:
            role_id = waiting.pop(0)
            yield role_id
            for each in self._implied.get(role_id, ()):
                if each not in seen:
                    seen.add(each)
                    waiting.append(each)

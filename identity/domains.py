"""Domains: made, changed, and deleted with all that is in them."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from identity.actors import Actor
from identity.changes import DomainFields
from identity.delete import close_project, forget_project, held_by
from identity.errors import DefaultDomain, DomainInUse, NameTaken, NoSuchThing, StillEnabled
from identity.models import DEFAULT_DOMAIN_ID, Domain, Group, Project, Role, User
from identity.options import check_changeable, check_deletable, is_immutable, values_for
from identity.rules import require

# So many of the projects that keep a domain are named in the refusal.
_NAMED = 5


def create_domain(*, fields: DomainFields, actor: Actor) -> Domain:
    """Make a domain.

    Raises:
        NotYours: the actor does not administer the cloud.
        NameTaken: there is a domain of that name.
    """
    require(actor, "identity:create_domain")
    return _saved(Domain(**values_for(None, fields)))


def update_domain(*, domain: Domain, fields: DomainFields, actor: Actor, now: datetime) -> Domain:
    """Change a domain. A disablement ends the tokens of its users for good.

    Raises:
        NotYours: the actor does not administer the cloud.
        NameTaken: there is another domain of that name.
        DefaultDomain: the default domain would be disabled.
        Immutable: its option says that it stays as it is.
    """
    require(actor, "identity:update_domain")
    if domain.pk == DEFAULT_DOMAIN_ID and fields.enabled is False:
        raise DefaultDomain("disabled")
    check_changeable(domain, fields)
    for name, value in values_for(domain, fields).items():
        setattr(domain, name, value)
    with transaction.atomic():
        _saved(domain)
        if not domain.enabled:
            User.objects.filter(domain=domain).update(tokens_valid_from=now)
    return domain


def delete_domain(*, domain: Domain, actor: Actor, now: datetime) -> None:
    """Delete a disabled domain with its projects, users, groups and roles.

    Raises:
        NotYours: the actor does not administer the cloud.
        DefaultDomain: the default domain.
        StillEnabled: it is not disabled.
        DomainInUse: one of its projects still holds something, or is immutable.
        Immutable: its option says that it stays.
        NoSuchThing: somebody else deleted it just now.
    """
    require(actor, "identity:delete_domain")
    if domain.pk == DEFAULT_DOMAIN_ID:
        raise DefaultDomain("deleted")
    with transaction.atomic():
        # Whoever makes something in the domain meanwhile waits for this, and then finds it gone.
        locked = Domain.objects.select_for_update().filter(pk=domain.pk).first()
        if locked is None:
            raise NoSuchThing("domain", domain.pk)
        if locked.enabled:
            raise StillEnabled(locked.name)
        check_deletable(locked)
        _end_projects(locked, now)
        for kind in (Project, User, Group, Role):
            kind.objects.filter(domain=locked).delete()
        locked.delete()


def _end_projects(domain: Domain, now: datetime) -> None:
    kept = []
    for project in Project.objects.filter(domain=domain).order_by("name", "id"):
        close_project(project_id=project.pk, now=now)
        held = held_by(project.pk)
        if held or is_immutable(project):
            kept.append(f"{project.name} {f'has {held}' if held else 'is immutable'}")
        if len(kept) == _NAMED:
            break
        if not held:
            forget_project(project_id=project.pk, now=now)
    if kept:
        raise DomainInUse(domain.name, kept)


def _saved(domain: Domain) -> Domain:
    try:
        with transaction.atomic():
            domain.save()
    except IntegrityError as error:
        raise NameTaken("domain", domain.name) from error
    return domain

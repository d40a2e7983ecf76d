"""Making domains, projects, users and roles."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from identity.actors import Actor
from identity.changes import ProjectFields, RoleFields, UserFields, given
from identity.errors import NameTaken, UnknownReference
from identity.models import DEFAULT_DOMAIN_ID, Domain, Project, Role, User
from identity.options import values_for
from identity.passwords import check_new_password
from identity.rules import require


def create_project(*, fields: ProjectFields, actor: Actor) -> Project:
    """Make a project in the named domain, or in that of the actor's project.

    Raises:
        NotYours: the actor does not administer the cloud.
        NameTaken: the domain has a project of that name.
        UnknownReference: there is no such domain.
    """
    require(actor, "identity:create_project")
    project = Project(**values_for(None, fields))
    project.domain_id = domain_for(fields.domain_id, actor)
    try:
        with transaction.atomic():
            project.save(force_insert=True)
    except IntegrityError as error:
        raise NameTaken("project", project.name) from error
    return project


def create_user(*, fields: UserFields, actor: Actor) -> User:
    """Make a user in the named domain, or in that of the actor's project.

    Without a password the user cannot log in.

    Raises:
        NotYours: the actor does not administer the cloud.
        NameTaken: the domain has a user of that name.
        UnknownReference: there is no such domain or default project.
        WeakPassword: the password does not meet the rules.
    """
    require(actor, "identity:create_user")
    values = given(fields)
    password = values.pop("password", None)
    user = User(
        is_active=values.pop("enabled", True),
        default_project=default_project(values.pop("default_project_id", "")),
        **values,
    )
    user.domain_id = domain_for(fields.domain_id, actor)
    check_new_password(password, user)
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError as error:
        raise NameTaken("user", user.name) from error
    return user


def create_role(*, fields: RoleFields, actor: Actor) -> Role:
    """Make a role, of the whole cloud or of a domain. Only the built-in ones give rights.

    Raises:
        NotYours: the actor does not administer the cloud.
        NameTaken: there is a role of that name.
        UnknownReference: there is no such domain.
    """
    require(actor, "identity:create_role")
    if fields.domain_id is not None and not Domain.objects.filter(pk=fields.domain_id).exists():
        raise UnknownReference("domain", fields.domain_id)
    role = Role(**values_for(None, fields))
    try:
        with transaction.atomic():
            role.save(force_insert=True)
    except IntegrityError as error:
        raise NameTaken("role", role.name) from error
    return role


def default_project(project_id: str) -> Project | None:
    """The project to be a user's default; None for "".

    Raises:
        UnknownReference: there is no such project.
    """
    if not project_id:
        return None
    project = Project.objects.filter(pk=project_id).first()
    if project is None:
        raise UnknownReference("project", project_id)
    return project


def domain_for(domain_id: str | None, actor: Actor) -> str:
    """The domain of something new: the named one, else that of the actor's token.

    Raises:
        UnknownReference: there is no such domain.
    """
    if domain_id is None and actor.domain_id is not None:
        return actor.domain_id
    if domain_id is None:
        own = Project.objects.filter(pk=actor.project_id or "").values_list("domain", flat=True)
        return own.first() or DEFAULT_DOMAIN_ID
    if not Domain.objects.filter(pk=domain_id).exists():
        raise UnknownReference("domain", domain_id)
    return domain_id

"""Changing projects, users and roles."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from identity.actors import Actor
from identity.changes import ProjectFields, RoleFields, UserFields, given
from identity.create import default_project
from identity.errors import BuiltIn, DomainIsFixed, LoginRefused, NameTaken
from identity.models import Project, Role, User
from identity.options import check_changeable, values_for
from identity.passwords import check_new_password, is_right_password
from identity.rules import require


def update_project(*, project: Project, fields: ProjectFields, actor: Actor) -> Project:
    """Change a project.

    Raises:
        NotYours: the actor does not administer the cloud.
        NameTaken: the domain has another project of that name.
        DomainIsFixed: another domain is named.
        Immutable: its option says that it stays as it is.
    """
    require(actor, "identity:update_project")
    _keep_domain("project", project.domain_id, fields.domain_id)
    check_changeable(project, fields)
    for name, value in values_for(project, fields).items():
        setattr(project, name, value)
    try:
        with transaction.atomic():
            project.save()
    except IntegrityError as error:
        raise NameTaken("project", project.name) from error
    return project


def update_user(*, user: User, fields: UserFields, actor: Actor, now: datetime) -> User:
    """Change a user; a new password or a disablement ends the user's tokens.

    Raises:
        NotYours: the actor does not administer the cloud.
        NameTaken: the domain has another user of that name.
        DomainIsFixed: another domain is named.
        UnknownReference: there is no such default project.
        WeakPassword: the password does not meet the rules.
    """
    require(actor, "identity:update_user")
    _keep_domain("user", user.domain_id, fields.domain_id)
    values = given(fields)
    password = values.pop("password", None)
    if "default_project_id" in values:
        user.default_project = default_project(values.pop("default_project_id"))
    if "enabled" in values:
        user.is_active = values.pop("enabled")
    for name, value in values.items():
        setattr(user, name, value)
    if password is not None:
        check_new_password(password, user)
        user.set_password(password)
    if not user.is_active:
        user.tokens_valid_from = now
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError as error:
        raise NameTaken("user", user.name) from error
    return user


def change_password(*, user_id: str, original: str, new: str, now: datetime) -> None:
    """Give oneself another password, by showing the old one; ends all tokens.

    Raises:
        LoginRefused: no such user, a disabled or locked-out one, or the wrong old password.
        WeakPassword: the new password does not meet the rules.
    """
    user = User.objects.select_related("domain").filter(pk=user_id).first()
    if not is_right_password(user, original, now) or user is None:
        raise LoginRefused("unknown or disabled user, or wrong original password")
    check_new_password(new, user)
    user.set_password(new)
    user.save(update_fields=["password", "tokens_valid_from", "failed_logins"])


def update_role(*, role: Role, fields: RoleFields, actor: Actor) -> Role:
    """Change a role; the names of the built-in ones are what the policy knows them by.

    Raises:
        NotYours: the actor does not administer the cloud.
        BuiltIn: another name for a built-in role.
        NameTaken: there is another role of that name.
        DomainIsFixed: another domain is named.
        Immutable: its option says that it stays as it is.
    """
    require(actor, "identity:update_role")
    _keep_domain("role", role.domain_id, fields.domain_id)
    if role.is_built_in and fields.name not in (None, role.name):
        raise BuiltIn(role.name)
    check_changeable(role, fields)
    for name, value in values_for(role, fields).items():
        setattr(role, name, value)
    try:
        with transaction.atomic():
            role.save()
    except IntegrityError as error:
        raise NameTaken("role", role.name) from error
    return role


def _keep_domain(kind: str, own: str | None, asked: str | None) -> None:
    if asked not in (None, own):
        raise DomainIsFixed(kind)

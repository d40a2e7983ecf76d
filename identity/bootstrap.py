"""The first people, without whom nobody could log in. Doing it twice changes nothing."""

from __future__ import annotations

from identity.actors import system_actor
from identity.changes import ProjectFields, UserFields
from identity.create import create_project, create_user
from identity.grant import grant_role
from identity.models import (
    BUILT_IN_IMPLICATIONS,
    BUILT_IN_ROLES,
    DEFAULT_DOMAIN_ID,
    Domain,
    ImpliedRole,
    Project,
    Role,
    User,
)


def ensure_domain_and_roles() -> int:
    """Make the default domain and the built-in roles; returns how many of them were missing."""
    made = Domain.objects.get_or_create(id=DEFAULT_DOMAIN_ID, defaults={"name": "Default"})[1]
    missing = int(made)
    roles = {}
    for name, description in BUILT_IN_ROLES.items():
        roles[name], made = Role.objects.get_or_create(
            name=name, domain=None, defaults={"description": description}
        )
        missing += made
    for prior, implied in BUILT_IN_IMPLICATIONS:
        ImpliedRole.objects.get_or_create(prior=roles[prior], implied=roles[implied])
    return missing


def ensure_project(name: str, description: str) -> Project:
    """The project of this name in the default domain, made if need be."""
    found = Project.objects.filter(domain_id=DEFAULT_DOMAIN_ID, name=name).first()
    if found is not None:
        return found
    fields = ProjectFields(name=name, description=description)
    return create_project(fields=fields, actor=system_actor())


def ensure_user(name: str, password: str, *, project: Project) -> tuple[User, bool]:
    """The user of this name in the default domain, and whether it was made now.

    A user who is there keeps password and default project.
    """
    found = User.objects.filter(domain_id=DEFAULT_DOMAIN_ID, name=name).first()
    if found is not None:
        return found, False
    fields = UserFields(name=name, password=password, default_project_id=project.id)
    return create_user(fields=fields, actor=system_actor()), True


def ensure_grant(user: User, role: str, project: Project) -> None:
    """Let the user have the role in the project."""
    found = Role.objects.of_the_cloud().get(name=role)
    grant_role(project=project, user=user, role=found, actor=system_actor())


def make_staff(user: User) -> None:
    """Let the user use every page of the admin."""
    if not (user.is_staff and user.is_superuser):
        user.is_staff = user.is_superuser = True
        user.save(update_fields=["is_staff", "is_superuser"])


def reset_password(user: User, password: str) -> None:
    """Give the user another password; what was issued under the old one ends."""
    user.set_password(password)
    user.save()

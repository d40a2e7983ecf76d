"""Logging in over the API: credentials and a wanted scope become a token."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from identity.errors import LoginRefused
from identity.models import Project, User
from identity.passwords import is_right_password
from identity.tokens import Token, ValidToken, issue_token, read_token, scope_of


@dataclass(frozen=True)
class Reference:
    """A user or a project as a client names it: by id, or by name in a domain."""

    id: str = ""
    name: str = ""
    domain_id: str = ""
    domain_name: str = ""

    def lookup(self) -> dict[str, str]:
        """The filter that finds it."""
        if self.id:
            return {"id": self.id}
        if self.domain_id:
            return {"name": self.name, "domain_id": self.domain_id}
        return {"name": self.name, "domain__name": self.domain_name}


@dataclass(frozen=True)
class Unscoped:
    """The wish for a token without a project."""


@dataclass(frozen=True)
class DefaultScope:
    """No wish: the user's default project if there is a role in it, else unscoped."""


Scope = Reference | Unscoped | DefaultScope


@dataclass(frozen=True)
class PasswordCredentials:
    """A user and a password."""

    user: Reference
    password: str = field(repr=False)


@dataclass(frozen=True)
class Credentials:
    """All that a login shows; every given one must pass, and all must be of one user."""

    password: PasswordCredentials | None = None
    token: str | None = field(default=None, repr=False)


def log_in(
    *, credentials: Credentials, scope: Scope, now: datetime, lifetime: timedelta
) -> ValidToken:
    """Check the credentials and issue a token for the scope.

    Raises:
        LoginRefused: a credential is wrong, the user is disabled, or has no role in the scope.
        TokenRefused: the token shown, or the project, does not hold.
    """
    methods: list[str] = []
    users: list[User] = []
    parent: Token | None = None
    if credentials.token is not None:
        shown = read_token(credentials.token, now=now)
        parent = shown.token
        users.append(shown.user)
        methods.append("token")
    if credentials.password is not None:
        users.append(_user_with_password(credentials.password))
        methods.append("password")
    if len({user.pk for user in users}) != 1:
        raise LoginRefused("no credential, or credentials of two users")
    user = users[0]
    project, roles = _scope_for(user, scope)
    token = issue_token(
        user=user, project=project, methods=methods, now=now, lifetime=lifetime, parent=parent
    )
    return ValidToken(token, user, project, roles)


def _user_with_password(shown: PasswordCredentials) -> User:
    user = User.objects.select_related("domain").filter(**shown.user.lookup()).first()
    if user is None or not is_right_password(user, shown.password):
        if user is None:
            is_right_password(None, shown.password)
        raise LoginRefused("unknown or disabled user, or wrong password")
    return user


def _scope_for(user: User, scope: Scope) -> tuple[Project | None, frozenset[str]]:
    if isinstance(scope, Unscoped):
        return None, frozenset()
    if isinstance(scope, DefaultScope):
        return _default_scope(user)
    project_id = Project.objects.filter(**scope.lookup()).values_list("id", flat=True).first()
    if project_id is None:
        raise LoginRefused("no such project")
    return scope_of(user, project_id)


def _default_scope(user: User) -> tuple[Project | None, frozenset[str]]:
    if user.default_project_id is None:
        return None, frozenset()
    try:
        return scope_of(user, user.default_project_id)
    except LoginRefused:
        return None, frozenset()

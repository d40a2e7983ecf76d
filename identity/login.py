"""Logging in over the API: credentials and a wanted scope become a token."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from identity.application_credentials import is_right_secret, note_use, roles_of
from identity.errors import LoginRefused
from identity.models import ApplicationCredential, Domain, Project, User
from identity.passwords import is_right_password
from identity.tokens import (
    Token,
    ValidToken,
    bound_to,
    domain_scope_of,
    issue_token,
    read_token,
    scope_of,
)


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


@dataclass(frozen=True)
class DomainScope:
    """The wish for a token for a domain."""

    id: str = ""
    name: str = ""


Scope = Reference | DomainScope | Unscoped | DefaultScope


@dataclass(frozen=True)
class PasswordCredentials:
    """A user and a password."""

    user: Reference
    password: str = field(repr=False)


@dataclass(frozen=True)
class SecretCredentials:
    """An application credential, by id or by its user and name, with its secret."""

    secret: str = field(repr=False)
    id: str = ""
    name: str = ""
    user: Reference | None = None


@dataclass(frozen=True)
class Credentials:
    """All that a login shows; every given one must pass, and all must be of one user."""

    password: PasswordCredentials | None = None
    token: str | None = field(default=None, repr=False)
    application_credential: SecretCredentials | None = None


def log_in(
    *, credentials: Credentials, scope: Scope, now: datetime, lifetime: timedelta
) -> ValidToken:
    """Check the credentials and issue a token for the scope.

    Raises:
        LoginRefused: a credential is wrong, the user is disabled, or has no role in the scope.
        TokenRefused: the token shown, or the project, does not hold.
    """
    if credentials.application_credential is not None:
        return _by_application_credential(credentials, scope, now, lifetime)
    methods: list[str] = []
    users: list[User] = []
    parent: Token | None = None
    if credentials.token is not None:
        shown = read_token(credentials.token, now=now)
        parent = shown.token
        if shown.credential is not None:
            if credentials.password is not None:
                raise LoginRefused("the token of an application credential comes alone")
            return _same_again(shown, shown.credential, scope, now)
        users.append(shown.user)
        methods.append("token")
    if credentials.password is not None:
        users.append(_user_with_password(credentials.password, now))
        methods.append("password")
    if len({user.pk for user in users}) != 1:
        raise LoginRefused("no credential, or credentials of two users")
    user = users[0]
    place, roles = _scope_for(user, scope)
    token = issue_token(
        user=user, project=place, methods=methods, now=now, lifetime=lifetime, parent=parent
    )
    if isinstance(place, Domain):
        return ValidToken(token, user, None, roles, domain=place)
    return ValidToken(token, user, place, roles)


def _by_application_credential(
    credentials: Credentials, scope: Scope, now: datetime, lifetime: timedelta
) -> ValidToken:
    shown = credentials.application_credential
    alone = credentials.password is None and credentials.token is None
    if shown is None or not alone or not isinstance(scope, DefaultScope):
        raise LoginRefused("an application credential comes alone and has its own scope")
    credential = _credential_with_secret(shown)
    if credential.expires_at is not None and credential.expires_at <= now:
        raise LoginRefused("the application credential has expired")
    user = credential.user
    if not (user.is_active and user.domain.enabled):
        raise LoginRefused("the application credential's user or its domain is disabled")
    project, held = scope_of(user, credential.project_id)
    roles = roles_of(credential, held)
    if not roles:
        raise LoginRefused("the user has none of the application credential's roles any more")
    note_use(credential, now)
    methods = ["application_credential"]
    token = issue_token(user=user, project=project, methods=methods, now=now, lifetime=lifetime)
    token = bound_to(token, credential)
    return ValidToken(token, user, project, roles, credential)


def _credential_with_secret(shown: SecretCredentials) -> ApplicationCredential:
    wanted = ApplicationCredential.objects.select_related("user__domain")
    if shown.id:
        found = wanted.filter(pk=shown.id).first()
    else:
        user = shown.user.lookup() if shown.user else {}
        of_user = {f"user__{name}": value for name, value in user.items()}
        found = wanted.filter(name=shown.name, **of_user).first() if of_user else None
    if not is_right_secret(found, shown.secret) or found is None:
        raise LoginRefused("unknown application credential, or wrong secret")
    return found


def _same_again(
    shown: ValidToken,
    credential: ApplicationCredential,
    scope: Scope,
    now: datetime,
) -> ValidToken:
    """A token of an application credential stays in its project and roles, made into whatever."""
    project_id = shown.project.pk if shown.project else ""
    if isinstance(scope, Reference):
        same = Project.objects.filter(pk=project_id, **scope.lookup()).exists()
    else:
        same = isinstance(scope, DefaultScope)
    if not same:
        raise LoginRefused("the token of an application credential has its own scope")
    token = issue_token(
        user=shown.user,
        project=shown.project,
        methods=["token"],
        now=now,
        lifetime=timedelta(),
        parent=shown.token,
    )
    return replace(shown, token=bound_to(token, credential))


def _user_with_password(shown: PasswordCredentials, now: datetime) -> User:
    user = User.objects.select_related("domain").filter(**shown.user.lookup()).first()
    if not is_right_password(user, shown.password, now) or user is None:
        raise LoginRefused("unknown, disabled or locked-out user, or wrong password")
    return user


def _scope_for(user: User, scope: Scope) -> tuple[Project | Domain | None, frozenset[str]]:
    if isinstance(scope, Unscoped):
        return None, frozenset()
    if isinstance(scope, DefaultScope):
        return _default_scope(user)
    if isinstance(scope, DomainScope):
        named = {"id": scope.id} if scope.id else {"name": scope.name}
        domain_id = Domain.objects.filter(**named).values_list("id", flat=True).first()
        return domain_scope_of(user, domain_id or "")
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

"""Tokens: signed, not stored; the database says at every use whether they still hold.

A token is a signed list, so issuing one writes nothing. Reading one costs one query: the user's
roles in the project or domain with user, place and revocation, or the user alone. A token
of an application credential costs two more: the credential, and the roles that it was given.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import cast

from django.core import signing
from django.db.models import Exists

from identity.actors import Actor, with_implied
from identity.application_credentials import note_use, roles_of
from identity.errors import TokenRefused
from identity.models import ApplicationCredential, Domain, Project, RevokedToken, User
from identity.standing import Standing, standing_in_domain, standing_in_project

_SALT = "identity.token"
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Token:
    """What a token says; `audit_ids` are its own and, after a re-scoping, its first ancestor's."""

    user_id: str
    project_id: str | None
    methods: tuple[str, ...]
    audit_ids: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime
    credential_id: str | None = None
    domain_id: str | None = None

    @property
    def text(self) -> str:
        """The token itself, a secret: what the client sends in `X-Auth-Token`."""
        fields = [
            self.user_id,
            self.project_id,
            list(self.methods),
            list(self.audit_ids),
            (self.issued_at - _EPOCH) // _MICROSECOND,
            (self.expires_at - _EPOCH) // _MICROSECOND,
        ]
        if self.credential_id or self.domain_id:
            fields += [self.credential_id, self.domain_id]
        return signing.Signer(salt=_SALT).sign_object(fields)


@dataclass(frozen=True)
class ValidToken:
    """A token that holds now, with whom and what it speaks for; `roles` include the implied."""

    token: Token
    user: User
    project: Project | None
    roles: frozenset[str]
    credential: ApplicationCredential | None = None
    domain: Domain | None = None

    def actor(self, request_id: str = "") -> Actor:
        """The caller that this token makes."""
        return Actor(
            user_id=self.user.id,
            user_name=self.user.name,
            project_id=self.project.id if self.project else None,
            project_name=self.project.name if self.project else "",
            roles=self.roles,
            request_id=request_id,
            domain_id=self.domain.id if self.domain else None,
            is_restricted=self.credential is not None and not self.credential.is_unrestricted,
        )


def issue_token(
    *,
    user: User,
    project: Project | Domain | None,
    methods: Iterable[str],
    now: datetime,
    lifetime: timedelta,
    parent: Token | None = None,
) -> Token:
    """Make a token for a project, a domain or neither.

    One made from another keeps its expiry and its place in the audit chain.
    """
    own_audit_id = secrets.token_urlsafe(16)
    known = tuple(dict.fromkeys([*(parent.methods if parent else ()), *methods]))
    return Token(
        user_id=user.id,
        project_id=project.id if isinstance(project, Project) else None,
        domain_id=project.id if isinstance(project, Domain) else None,
        methods=known,
        audit_ids=(own_audit_id, parent.audit_ids[-1]) if parent else (own_audit_id,),
        issued_at=now,
        expires_at=parent.expires_at if parent else now + lifetime,
    )


def bound_to(token: Token, credential: ApplicationCredential) -> Token:
    """The token as one of an application credential, which it does not outlive."""
    ends = [token.expires_at, *filter(None, [credential.expires_at])]
    return replace(token, credential_id=credential.id, expires_at=min(ends))


def read_token(text: str, *, now: datetime) -> ValidToken:
    """Check a token's signature, age, revocation, user, project and roles as they are now.

    Raises:
        TokenRefused: it does not hold (any more).
    """
    token = _decoded(text)
    if now >= token.expires_at:
        raise TokenRefused("the token has expired")
    if token.project_id is None and token.domain_id is None:
        return _unscoped(token)
    standing = (
        standing_in_project(token.user_id, token.project_id, token.audit_ids[0])
        if token.project_id is not None
        else standing_in_domain(token.user_id, token.domain_id or "", token.audit_ids[0])
    )
    if standing is None:
        raise TokenRefused("the user has no role in the project or domain")
    place, roles = _scope_in(standing)
    user = standing.user
    _check_user(token, user, is_revoked=standing.is_revoked)
    if isinstance(place, Domain):
        return ValidToken(token, user, None, roles, domain=place)
    credential = _credential_of(token, now)
    if credential is not None:
        roles = roles_of(credential, roles)
    return ValidToken(token, user, place, roles, credential)


def revoke_token(token: Token) -> None:
    """Take a token back; doing it twice means it once."""
    RevokedToken.objects.get_or_create(
        audit_id=token.audit_ids[0], defaults={"expires_at": token.expires_at}
    )


def scope_of(user: User, project_id: str) -> tuple[Project, frozenset[str]]:
    """The enabled project and the user's roles in it, with the implied ones; one query.

    Raises:
        TokenRefused: no such project, a disabled one, or the user has no role there.
    """
    place, roles = _scope_in(standing_in_project(user.pk, project_id))
    return cast("Project", place), roles


def domain_scope_of(user: User, domain_id: str) -> tuple[Domain, frozenset[str]]:
    """The enabled domain and the user's roles in it, with the implied ones; one query.

    Raises:
        TokenRefused: no such domain, a disabled one, or the user has no role there.
    """
    place, roles = _scope_in(standing_in_domain(user.pk, domain_id))
    return cast("Domain", place), roles


def _unscoped(token: Token) -> ValidToken:
    revoked = RevokedToken.objects.filter(audit_id=token.audit_ids[0])
    users = User.objects.filter(pk=token.user_id).select_related("domain")
    alone = users.annotate(is_revoked=Exists(revoked)).first()
    if alone is None:
        raise TokenRefused("the token's user is gone")
    _check_user(token, alone, is_revoked=alone.is_revoked)
    return ValidToken(token, alone, None, frozenset())


def _scope_in(standing: Standing | None) -> tuple[Project | Domain, frozenset[str]]:
    if standing is None:
        raise TokenRefused("the user has no role in the project or domain")
    if not standing.is_enabled:
        raise TokenRefused("the project or its domain is disabled")
    return standing.place, with_implied(standing.roles)


def _credential_of(token: Token, now: datetime) -> ApplicationCredential | None:
    if token.credential_id is None:
        return None
    credential = ApplicationCredential.objects.filter(
        pk=token.credential_id, user_id=token.user_id, project_id=token.project_id
    ).first()
    if credential is None:
        raise TokenRefused("the token's application credential is gone")
    note_use(credential, now)
    return credential


def _decoded(text: str) -> Token:
    try:
        user_id, project_id, methods, audit_ids, issued, expires, *more = signing.Signer(
            salt=_SALT
        ).unsign_object(text)
    except (signing.BadSignature, ValueError) as error:
        raise TokenRefused("the token is not one of ours") from error
    return Token(
        user_id=user_id,
        project_id=project_id,
        methods=tuple(methods),
        audit_ids=tuple(audit_ids),
        issued_at=_EPOCH + issued * _MICROSECOND,
        expires_at=_EPOCH + expires * _MICROSECOND,
        credential_id=more[0] if more else None,
        domain_id=more[1] if len(more) > 1 else None,
    )


def _check_user(token: Token, user: User, *, is_revoked: bool) -> None:
    if is_revoked:
        raise TokenRefused("the token was revoked")
    if not (user.is_active and user.domain.enabled):
        raise TokenRefused("the token's user or its domain is disabled")
    if token.issued_at < user.tokens_valid_from:
        raise TokenRefused("the token is older than the user's last password change")

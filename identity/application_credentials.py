"""Application credentials: what programs log in with instead of their user's password."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

from django.contrib.auth.hashers import check_password, make_password
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from identity.access_rules import WantedRule, rules_for
from identity.actors import Actor, with_implied
from identity.errors import (
    BadApplicationCredential,
    NameTaken,
    NoSuchThing,
    NotYours,
    RestrictedCredential,
)
from identity.implied import Implications
from identity.models import ApplicationCredential, Project, Role, User
from identity.rules import require
from identity.standing import standing_in_project

# A use is written down when the last one noted is older: no write on every request.
NOTED_EVERY = timedelta(minutes=5)
_SECRET_BYTES = 64
# Keys what this process remembers of secrets; with the process it is gone.
_MEMORY_KEY = secrets.token_bytes(32)


@dataclass(frozen=True)
class NewApplicationCredential:
    """What a user asks for; `roles` None are all of the token, `secret` None makes one up."""

    name: str
    description: str = ""
    # By id or name.
    roles: tuple[dict[str, str], ...] | None = None
    secret: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    is_unrestricted: bool = False
    access_rules: tuple[WantedRule, ...] | None = None


def create_application_credential(
    *, user_id: str, wanted: NewApplicationCredential, actor: Actor, now: datetime
) -> tuple[ApplicationCredential, str]:
    """Make one for the project of the actor's token; also returns the secret, this once.

    Raises:
        NotYours: for somebody else, whoever asks.
        RestrictedCredential: the token comes from an application credential that may not.
        BadApplicationCredential: no project, a role that the actor has not, or it has ended.
        NameTaken: the user has one of that name.
    """
    require(actor, "identity:create_application_credential", user_id=user_id)
    if user_id != actor.user_id:
        # A credential acts as its user, so not even an administrator makes one for another.
        raise NotYours("identity:create_application_credential")
    check_unrestricted(actor)
    if actor.project_id is None:
        raise BadApplicationCredential("it needs a token that is scoped to a project.")
    if wanted.expires_at is not None and wanted.expires_at <= now:
        raise BadApplicationCredential("The 'expires_at' must not be before now.")
    role_ids = _role_ids(wanted, actor)
    secret = wanted.secret or secrets.token_urlsafe(_SECRET_BYTES)
    try:
        with transaction.atomic():
            return ApplicationCredential.objects.create(
                user_id=user_id,
                project_id=actor.project_id,
                name=wanted.name,
                description=wanted.description,
                secret_hash=make_password(secret),
                role_ids=role_ids,
                access_rules=rules_for(user_id, wanted.access_rules),
                is_unrestricted=wanted.is_unrestricted,
                expires_at=wanted.expires_at,
                created_at=now,
            ), secret
    except IntegrityError as error:
        raise NameTaken("application_credential", wanted.name) from error


def check_unrestricted(actor: Actor) -> None:
    """Let pass who may manage credentials with the token that was shown.

    Raises:
        RestrictedCredential: the token comes from an application credential that may not.
    """
    if actor.is_restricted:
        raise RestrictedCredential


def application_credentials_of(*, user_id: str, actor: Actor) -> QuerySet[ApplicationCredential]:
    """A user's application credentials, by name.

    Raises:
        NotYours: another user's.
        NoSuchThing: there is no such user.
    """
    require(actor, "identity:list_application_credentials", user_id=user_id)
    if not User.objects.filter(pk=user_id).exists():
        raise NoSuchThing("user", user_id)
    return ApplicationCredential.objects.filter(user_id=user_id)


def find_application_credential(
    *, user_id: str, credential_id: str, actor: Actor
) -> ApplicationCredential:
    """One of a user's application credentials.

    Raises:
        NotYours: another user's.
        NoSuchThing: the user has none of that id.
    """
    require(actor, "identity:get_application_credential", user_id=user_id)
    found = ApplicationCredential.objects.filter(pk=credential_id, user_id=user_id).first()
    if found is None:
        raise NoSuchThing("Application Credential", credential_id)
    return found


def delete_application_credential(*, credential: ApplicationCredential, actor: Actor) -> None:
    """Delete it; the tokens made from it end at once.

    Raises:
        NotYours: another user's.
        RestrictedCredential: the token comes from an application credential that may not.
    """
    require(actor, "identity:delete_application_credential", user_id=credential.user_id)
    check_unrestricted(actor)
    credential.delete()


def forget_lapsed(*, user: User, project: Project) -> None:
    """Delete the user's application credentials with roles the user has no more in the project."""
    standing = standing_in_project(user.pk, project.pk)
    left = with_implied(standing.roles if standing else ())
    left_ids = set(Role.objects.of_the_cloud().filter(name__in=left).values_list("id", flat=True))
    for credential in ApplicationCredential.objects.filter(user=user, project=project):
        if not left_ids.issuperset(credential.role_ids):
            credential.delete()


def is_right_secret(credential: ApplicationCredential | None, secret: str) -> bool:
    """Whether the secret is the credential's.

    The slow hash is worked out once in a process for each secret that is right: what is remembered
    of it is a keyed digest, in memory only, of the secret together with the stored hash.
    """
    if credential is None:
        # The same work as for a known one, so that time does not tell which there are.
        make_password(secret)
        return False
    shown = _digest(credential, secret)
    known = _remembered(credential.id)
    if known and hmac.compare_digest(known[0], shown):
        return True
    if not check_password(secret, credential.secret_hash):
        return False
    known[:] = [shown]
    return True


def roles_of(credential: ApplicationCredential, held: frozenset[str]) -> frozenset[str]:
    """The roles that a credential gives: its own and the implied, as far as the user has them."""
    return Implications().names(credential.role_ids) & held


def note_use(credential: ApplicationCredential, now: datetime) -> None:
    """Write down that it was used, unless that was done a short while ago."""
    last = credential.last_used_at
    if last is not None and now - last < NOTED_EVERY:
        return
    ApplicationCredential.objects.filter(pk=credential.pk).update(last_used_at=now)
    credential.last_used_at = now


def _role_ids(wanted: NewApplicationCredential, actor: Actor) -> list[str]:
    held = Role.objects.of_the_cloud().filter(name__in=actor.roles)
    own = {role.id: role for role in held}
    if wanted.roles is None:
        return sorted(own)
    by_name = {role.name: role.id for role in own.values()}
    return sorted({_own_role(named, own, by_name, actor) for named in wanted.roles})


def _own_role(
    named: dict[str, str], own: Iterable[str], by_name: dict[str, str], actor: Actor
) -> str:
    role_id = named["id"] if "id" in named else by_name.get(named["name"])
    if role_id is None or role_id not in own:
        raise BadApplicationCredential(
            f"Could not find role assignment with role: {named.get('id') or named['name']}, "
            f"user or group: {actor.user_id}, project, domain, or system: {actor.project_id}."
        )
    return role_id


def _digest(credential: ApplicationCredential, secret: str) -> bytes:
    text = f"{credential.id}\0{credential.secret_hash}\0{secret}".encode()
    return hmac.digest(_MEMORY_KEY, text, hashlib.sha256)


@lru_cache(maxsize=4096)
def _remembered(credential_id: str) -> list[bytes]:
    return []

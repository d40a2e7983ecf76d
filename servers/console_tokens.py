"""Tokens of consoles: each opens one console of one server, once, for who asked for it."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.conf import settings

from cloudportal.errors import CloudError
from identity.actors import Actor
from identity.models import User
from identity.sessions import actor_for
from servers.errors import ConsoleTokenRefused
from servers.find import find_server
from servers.legal import LEGAL
from servers.models import ConsoleToken, Server
from servers.states import ConsoleType

SWEEP_EVERY_S = 300.0
_REFUSED = "Token not found"


def issue_console_token(*, server: Server, kind: ConsoleType, actor: Actor, now: datetime) -> str:
    """Make a token; only its hash is kept. Whether the actor may is the caller's to have asked."""
    text = secrets.token_urlsafe(32)
    ConsoleToken.objects.create(
        server=server,
        type=kind,
        token_hash=_hash(text),
        user_id=actor.user_id,
        project_id=actor.project_id or "",
        created_at=now,
        expires_at=now + timedelta(seconds=settings.CONSOLE_LIFETIME_S),
    )
    return text


def find_console_token(text: str, *, now: datetime) -> ConsoleToken:
    """The token, unless it was used.

    Raises:
        ConsoleTokenRefused: there is none, it was used, or it has expired.
    """
    found = ConsoleToken.objects.filter(token_hash=_hash(text), used_at=None, expires_at__gt=now)
    token = found.select_related("server__hypervisor").first()
    if token is None:
        raise ConsoleTokenRefused(_REFUSED)
    return token


def take_console_token(text: str, *, now: datetime) -> ConsoleToken:
    """Use the token up, for the first who comes with it.

    Raises:
        ConsoleTokenRefused: as above; or its user may not open the server's consoles any more.
    """
    token = find_console_token(text, now=now)
    # Of two who come at the same time one is too late.
    if not ConsoleToken.objects.filter(pk=token.pk, used_at=None).update(used_at=now):
        raise ConsoleTokenRefused(_REFUSED)
    if not still_holds(token):
        raise ConsoleTokenRefused(_REFUSED)
    return token


def still_holds(token: ConsoleToken) -> bool:
    """Whether the user of a token may open the server's consoles now, and there is the server."""
    user = User.objects.filter(pk=token.user_id, domain__enabled=True).first()
    if user is None or not user.is_active:
        return False
    try:
        find_server(
            actor=actor_for(user, token.project_id or None),
            server_id=token.server_id,
            rule=LEGAL["console"].policy,
        )
    except CloudError:
        return False
    return True


def remove_expired_console_tokens(now: datetime) -> int:
    """Forget the tokens whose time is over; how many there were."""
    return ConsoleToken.objects.filter(expires_at__lte=now).delete()[0]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

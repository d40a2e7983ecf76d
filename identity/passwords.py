"""Checks passwords: old ones in the same time whether or not the user exists, new ones by rules."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db.models import F, Value

from identity.errors import WeakPassword
from identity.models import User


def is_right_password(user: User | None, password: str, now: datetime) -> bool:
    """Whether this user exists, is enabled, is not locked out and has this password.

    After so many wrong ones in a row (`LOCKOUT_TRIES`) none is right for a while (`LOCKOUT_S`);
    nobody is told, and what is tried meanwhile does not make it longer.
    """
    if user is None or _is_locked_out(user, now):
        # The same work as for a known name, so that time does not tell which names exist.
        make_password(password)
        return False
    if not user.check_password(password):
        _note_failure(user, now)
        return False
    if user.failed_logins:
        User.objects.filter(pk=user.pk).update(failed_logins=0)
    return user.is_active and user.domain.enabled


def _is_locked_out(user: User, now: datetime) -> bool:
    tries = settings.LOCKOUT_TRIES
    return bool(tries) and user.failed_logins >= tries and not _is_over(user, now)


def _is_over(user: User, now: datetime) -> bool:
    last = user.last_failed_at
    return last is None or now - last >= timedelta(seconds=settings.LOCKOUT_S)


def _note_failure(user: User, now: datetime) -> None:
    """Count it in the database, where tries at the same time do not overwrite one another."""
    counted = Value(1) if _is_over(user, now) else F("failed_logins") + 1
    User.objects.filter(pk=user.pk).update(failed_logins=counted, last_failed_at=now)


def check_new_password(password: str | None, user: User) -> None:
    """Let a password pass that meets the rules; None is no password.

    Raises:
        WeakPassword: it does not meet them; says why.
    """
    if password is None:
        return
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise WeakPassword(" ".join(error.messages)) from error

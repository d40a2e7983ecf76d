"""Checks passwords: old ones in the same time whether or not the user exists, new ones by rules."""

from __future__ import annotations

from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from identity.errors import WeakPassword
from identity.models import User


def is_right_password(user: User | None, password: str) -> bool:
    """Whether this user exists, is enabled and has this password."""
    if user is None:
        # The same work as for a known name, so that time does not tell which names exist.
        make_password(password)
        return False
    return user.check_password(password) and user.is_active and user.domain.enabled


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

"""Checks passwords, in the same time whether or not the user exists."""

from __future__ import annotations

from django.contrib.auth.hashers import make_password

from identity.models import User


def is_right_password(user: User | None, password: str) -> bool:
    """Whether this user exists, is enabled and has this password."""
    if user is None:
        # The same work as for a known name, so that time does not tell which names exist.
        make_password(password)
        return False
    return user.check_password(password) and user.is_active and user.domain.enabled

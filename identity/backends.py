"""Password login for the pages: a user's name is unique in its domain."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest
from django.utils import timezone

from identity.models import DEFAULT_DOMAIN_ID, User
from identity.passwords import is_right_password


class DomainBackend(ModelBackend):
    """Looks a user up by name and domain, the default domain when none is given."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """The enabled user whose password this is, or None."""
        name = username or kwargs.get("name")
        if name is None or password is None:
            return None
        domain = kwargs.get("domain", DEFAULT_DOMAIN_ID)
        user = User.objects.select_related("domain").filter(name=name, domain_id=domain).first()
        return user if is_right_password(user, password, timezone.now()) else None

    def get_user(self, user_id: Any) -> User | None:
        """Whose session it is; a disabled user, or one of a disabled domain, has none any more."""
        return (
            User.objects.select_related("domain")
            .filter(pk=user_id, is_active=True, domain__enabled=True)
            .first()
        )

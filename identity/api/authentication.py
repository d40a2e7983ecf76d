"""Reads the token of a request."""

from __future__ import annotations

from dataclasses import replace

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from identity.access_rules import is_allowed
from identity.actors import Actor
from identity.errors import TokenRefused
from identity.tokens import ValidToken, read_token


class TokenAuthentication(BaseAuthentication):
    """`X-Auth-Token` names the actor; `request.auth` is the token that was shown."""

    def authenticate(self, request: Request) -> tuple[Actor, ValidToken] | None:
        """The actor and the token; None when none is shown.

        Raises:
            TokenRefused: a token that does not hold, or not for this request.
        """
        text = request.headers.get("X-Auth-Token")
        if not text:
            return None
        valid = read_token(text, now=timezone.now())
        rules = valid.credential.access_rules if valid.credential else None
        if rules is not None and not is_allowed(rules, request.method or "", request.path_info):
            raise TokenRefused("no access rule of the application credential allows the request")
        actor = valid.actor(getattr(request, "request_id", ""))
        if valid.domain is not None and not request.path_info.startswith("/identity/"):
            # Roles in a domain are about people and projects: to the other services the token is
            # as one without a scope.
            actor = replace(actor, roles=frozenset())
        return actor, valid

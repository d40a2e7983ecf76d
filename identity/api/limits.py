"""Limits of the identity service: none, for each service of this cloud keeps its own.

Clients that ask are told so in the form that they read; what they would set is refused.
"""

from __future__ import annotations

from typing import NoReturn

from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from identity.api.forms import listing
from identity.api.shapes import (
    LIMIT_MODEL,
    LIMITS,
    refusal,
)
from identity.api.views import IdentityView
from identity.errors import KeptElsewhere, NoSuchThing
from identity.rules import require

_REASON = "Limits are set as the quotas of the compute, network and volume services"


class LimitsView(IdentityView):
    """A list that is always empty; the address says of what."""

    key = "limits"

    @documented(
        "List limits: there are none here.",
        responses={200: LIMITS},
    )
    def get(self, request: Request) -> Response:
        """Nothing."""
        require(self.actor, "identity:list_limits")
        return Response(listing(self.key, [], self.own_address))

    @documented(
        "Refused: limits are the quotas of the other services.",
        responses={403: refusal(403)},
    )
    def post(self, request: Request) -> NoReturn:
        """Refuse; 403."""
        require(self.actor, "identity:create_limits")
        raise KeptElsewhere(_REASON)


class LimitView(IdentityView):
    """One of them: there is none."""

    kind = "limit"

    @documented(
        "Refused: there are no limits here.",
        responses={404: refusal(404)},
    )
    def get(self, request: Request, limit_id: str) -> NoReturn:
        """404."""
        require(self.actor, "identity:list_limits")
        raise NoSuchThing(self.kind, limit_id)


class Model(IdentityView):
    """How limits of projects inside projects hang together: not at all."""

    @documented(
        "Show how limits of projects hang together.",
        responses={200: LIMIT_MODEL},
    )
    def get(self, request: Request) -> Response:
        """The name of the model."""
        description = "Limits are of one project each; projects form no tree."
        return Response({"model": {"name": "flat", "description": description}})

"""Actors of every role, in the own and in a foreign project, and the table of who may call what.

    ENDPOINTS = [
        Endpoint("GET", "/compute/v2.1/flavors", ok=200, allowed=EVERYBODY),
        Endpoint("DELETE", "/compute/v2.1/flavors/{flavor}", ok=202, allowed=ADMINS),
    ]

    @pytest.mark.django_db
    @pytest.mark.parametrize(("endpoint", "who"), matrix(ENDPOINTS))
    def test_who_may_do_what(endpoint, who):
        flavor = make_flavor()
        assert endpoint.status(who, flavor=flavor.flavorid) == endpoint.expected(who)

Things under test belong to `OWN_PROJECT` and `OWNER`. A request without a token is expected to get
401, one that is not allowed `refused` (403; 404 where a foreign thing must look absent).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from rest_framework.test import APIClient

from identity.actors import Actor, with_implied

OWN_PROJECT = "0" * 31 + "1"
FOREIGN_PROJECT = "0" * 31 + "2"
OWNER = "a" * 31 + "1"
STRANGER = "a" * 31 + "2"

# Name of the actor → (user, project, roles).
_ACTORS: dict[str, tuple[str, str | None, tuple[str, ...]]] = {
    "owner": (OWNER, OWN_PROJECT, ("member",)),
    "reader": (STRANGER, OWN_PROJECT, ("reader",)),
    "member": (STRANGER, OWN_PROJECT, ("member",)),
    "manager": (STRANGER, OWN_PROJECT, ("manager",)),
    "admin": (STRANGER, OWN_PROJECT, ("admin",)),
    "service": (STRANGER, OWN_PROJECT, ("service",)),
    "without role": (STRANGER, OWN_PROJECT, ()),
    "unscoped": (STRANGER, None, ()),
    "foreign reader": (STRANGER, FOREIGN_PROJECT, ("reader",)),
    "foreign member": (STRANGER, FOREIGN_PROJECT, ("member",)),
    "foreign manager": (STRANGER, FOREIGN_PROJECT, ("manager",)),
    "foreign admin": (STRANGER, FOREIGN_PROJECT, ("admin",)),
}
NOBODY = "nobody"
EVERYBODY = frozenset(_ACTORS)
ADMINS = frozenset({"admin", "foreign admin"})
MANAGERS = ADMINS | {"manager"}
MEMBERS = MANAGERS | {"owner", "member"}
READERS = MEMBERS | {"reader"}
OWNERS = ADMINS | {"owner"}
SERVICES = ADMINS | {"service"}


def actor_named(name: str) -> Actor:
    """The actor of that name in the table above."""
    user_id, project_id, roles = _ACTORS[name]
    return Actor(
        user_id=user_id,
        user_name=name,
        project_id=project_id,
        project_name=project_id or "",
        roles=with_implied(roles),
        request_id="req-test",
    )


def client_as(who: str, microversion: str = "") -> APIClient:
    """A client that speaks JSON as the named actor, or as nobody."""
    headers = {"OpenStack-API-Version": f"compute {microversion}"} if microversion else {}
    client = APIClient(headers=headers)
    client.default_format = "json"
    if who != NOBODY:
        actor: Any = actor_named(who)  # the framework's types know users only
        client.force_authenticate(user=actor)
    return client


@dataclass(frozen=True)
class Endpoint:
    """A call with who may make it; `{names}` in the path are filled in by the test."""

    method: str
    path: str
    ok: int
    allowed: frozenset[str]
    body: Any = None
    refused: int = 403
    microversion: str = "2.104"
    # Actors who are refused in another way than the rest, e.g. the foreign ones with 404.
    exceptions: dict[str, int] = field(default_factory=dict)

    def expected(self, who: str) -> int:
        """The status that the actor is to get."""
        if who == NOBODY:
            return 401
        if who in self.exceptions:
            return self.exceptions[who]
        return self.ok if who in self.allowed else self.refused

    def status(self, who: str, **names: object) -> int:
        """Make the call as the actor; returns the status."""
        client = client_as(who, self.microversion)
        path = self.path.format(**names)
        return client.generic(self.method, path, **self._sent()).status_code

    def _sent(self) -> dict[str, Any]:
        if self.body is None:
            return {}
        return {"data": json.dumps(self.body), "content_type": "application/json"}


def matrix(endpoints: Iterable[Endpoint]) -> list[Any]:
    """Every endpoint with every actor, as parameters with readable ids."""
    return [
        pytest.param(endpoint, who, id=f"{endpoint.method} {endpoint.path} as {who}")
        for endpoint in endpoints
        for who in [NOBODY, *_ACTORS]
    ]

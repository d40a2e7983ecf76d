"""Domains."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from identity.api.bodies import CREATE_DOMAIN, UPDATE_DOMAIN
from identity.api.filters import flag, narrowed
from identity.api.forms import domain_form
from identity.api.pages import paged
from identity.api.shapes import (
    DOMAIN,
    asked,
    many,
    one,
)
from identity.api.views import IdentityView
from identity.changes import DomainFields
from identity.domains import create_domain, delete_domain, update_domain
from identity.find import all_domains, find_domain


def _fields(body: dict[str, Any]) -> DomainFields:
    return DomainFields(
        name=body.get("name"),
        description=body["description"] or "" if "description" in body else None,
        enabled=body.get("enabled"),
        tags=body.get("tags"),
        options=body.get("options"),
    )


class Domains(IdentityView):
    """All domains."""

    @documented(
        "List domains.",
        query=asked("name", "enabled"),
        responses={200: many("domains", DOMAIN)},
    )
    def get(self, request: Request) -> Response:
        """By name; `name` and `enabled` narrow it."""
        domains = narrowed(all_domains(actor=self.actor), request.query_params, {"name": "name"})
        enabled = flag(request.query_params, "enabled")
        if enabled is not None:
            domains = domains.filter(enabled=enabled)
        return paged(request, "domains", domains, domain_form)

    @documented(
        "Create a domain.",
        request=CREATE_DOMAIN,
        responses={201: one("domain", DOMAIN)},
    )
    def post(self, request: Request) -> Response:
        """Make one; 201."""
        body = CREATE_DOMAIN.check(request.data)["domain"]
        domain = create_domain(fields=_fields(body), actor=self.actor)
        return Response({"domain": domain_form(domain)}, status=status.HTTP_201_CREATED)


class DomainView(IdentityView):
    """One domain."""

    @documented(
        "Show a domain.",
        responses={200: one("domain", DOMAIN)},
    )
    def get(self, request: Request, domain_id: str) -> Response:
        """The domain."""
        domain = find_domain(domain_id=domain_id, actor=self.actor)
        return Response({"domain": domain_form(domain)})

    @documented(
        "Change a domain.",
        request=UPDATE_DOMAIN,
        responses={200: one("domain", DOMAIN)},
    )
    def patch(self, request: Request, domain_id: str) -> Response:
        """Change what the body names."""
        domain = find_domain(domain_id=domain_id, actor=self.actor)
        body = UPDATE_DOMAIN.check(request.data)["domain"]
        domain = update_domain(
            domain=domain, fields=_fields(body), actor=self.actor, now=timezone.now()
        )
        return Response({"domain": domain_form(domain)})

    @documented(
        "Delete a disabled domain with all that is in it.",
        responses={204: None},
    )
    def delete(self, request: Request, domain_id: str) -> Response:
        """Delete it with all that is in it, if it is disabled."""
        domain = find_domain(domain_id=domain_id, actor=self.actor)
        delete_domain(domain=domain, actor=self.actor, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)

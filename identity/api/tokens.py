"""Tokens: logging in, looking at one, taking one back; and what a token may reach."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from cloudportal.errors import Invalid
from identity.api.filters import wanted_projects
from identity.api.forms import (
    address,
    catalog_form,
    domain_form,
    project_form,
    token_form,
)
from identity.api.logins import LOGIN, parse_login
from identity.api.pages import paged
from identity.api.shapes import (
    CATALOG,
    DOMAIN,
    PROJECT,
    PROJECTS,
    SYSTEM,
    TOKEN,
    WITHOUT_CATALOG,
    asked,
    many,
)
from identity.api.views import IdentityView
from identity.errors import NotYours, TokenNotFound, TokenRefused
from identity.login import log_in
from identity.rules import require
from identity.standing import domains_with_a_role, usable_projects
from identity.tokens import ValidToken, read_token, revoke_token


def _answer(valid: ValidToken, *, code: int, with_catalog: bool) -> Response:
    response = Response(token_form(valid, with_catalog=with_catalog), status=code)
    response["X-Subject-Token"] = valid.token.text
    patch_vary_headers(response, ["X-Auth-Token"])
    return response


class Tokens(IdentityView):
    """Tokens: POST is the only way in, so it asks for none.

    GET and DELETE are about the one in `X-Subject-Token`, seen by the one in `X-Auth-Token`.
    """

    def get_authenticators(self) -> list[Any]:
        """Nobody is asked who logs in; a bad token does not matter then either."""
        return [] if self._is_login else super().get_authenticators()

    def get_permissions(self) -> Sequence[Any]:
        """And everybody may."""
        return [] if self._is_login else super().get_permissions()

    @property
    def _is_login(self) -> bool:
        return getattr(self.request, "method", "") == "POST"

    @documented(
        "Log in: issue a token for a project, a domain or neither.",
        request=LOGIN,
        query=WITHOUT_CATALOG,
        responses={201: TOKEN},
    )
    def post(self, request: Request) -> Response:
        """Log in; 201 with the token in a header and its meaning in the body."""
        credentials, scope = parse_login(request.data)
        valid = log_in(
            credentials=credentials,
            scope=scope,
            now=timezone.now(),
            lifetime=timedelta(seconds=settings.TOKEN_LIFETIME_S),
        )
        with_catalog = "nocatalog" not in request.query_params
        return _answer(valid, code=status.HTTP_201_CREATED, with_catalog=with_catalog)

    def _subject(self, request: Request, rule: str) -> ValidToken:
        text = request.headers.get("X-Subject-Token")
        if not text:
            raise Invalid("The header X-Subject-Token must name a token.")
        try:
            valid = read_token(text, now=timezone.now())
        except TokenRefused as error:
            raise TokenNotFound from error
        require(self.actor, rule, user_id=valid.user.id)
        return valid

    @documented(
        "Show what a token says, if it holds.",
        query=WITHOUT_CATALOG,
        responses={200: TOKEN},
    )
    def get(self, request: Request) -> Response:
        """What the token says, if it holds."""
        valid = self._subject(request, "identity:validate_token")
        with_catalog = "nocatalog" not in request.query_params
        return _answer(valid, code=status.HTTP_200_OK, with_catalog=with_catalog)

    @documented(
        "Take a token back.",
        responses={204: None},
    )
    def delete(self, request: Request) -> Response:
        """Take the token back."""
        valid = self._subject(request, "identity:revoke_token")
        revoke_token(valid.token)
        return Response(status=status.HTTP_204_NO_CONTENT)


class Catalog(IdentityView):
    """The catalogue of the caller's token."""

    @documented(
        "Show the catalogue of the caller's token.",
        responses={200: CATALOG},
    )
    def get(self, request: Request) -> Response:
        """The services and their addresses; an unscoped token has none."""
        if self.actor.project_id is None and self.actor.domain_id is None:
            raise NotYours("identity:get_auth_catalog")
        return Response({"catalog": catalog_form(), "links": {"self": address("auth", "catalog")}})


class Projects(IdentityView):
    """The projects to which the caller may scope a token."""

    @documented(
        "List the projects to which the caller may scope a token.",
        query=PROJECTS,
        responses={200: many("projects", PROJECT)},
    )
    def get(self, request: Request) -> Response:
        """By name."""
        projects = wanted_projects(usable_projects(self.valid.user), request.query_params)
        return paged(request, "projects", projects, project_form)


class Domains(IdentityView):
    """The domains to which the caller may scope a token."""

    @documented(
        "List the domains to which the caller may scope a token.",
        query=asked(),
        responses={200: many("domains", DOMAIN)},
    )
    def get(self, request: Request) -> Response:
        """By name."""
        found = domains_with_a_role(self.valid.user).filter(enabled=True)
        return paged(request, "domains", found, domain_form)


class System(IdentityView):
    """Whether the caller may scope a token to the system: no, for no role is given on it."""

    @documented(
        "Show whether the caller may scope a token to the system.",
        responses={200: SYSTEM},
    )
    def get(self, request: Request) -> Response:
        """An empty list."""
        return Response({"system": [], "links": {"self": address("auth", "system")}})

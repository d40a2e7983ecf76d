"""Which roles imply which others."""

from __future__ import annotations

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from identity.api.forms import address, inference_form
from identity.api.pages import paged_forms
from identity.api.shapes import (
    INFERENCE,
    INFERENCES,
    INFERENCES_OF_ROLE,
    asked,
    many,
)
from identity.api.views import IdentityView
from identity.find import find_role
from identity.implied import (
    all_implications,
    check_implied,
    implied_by,
    imply_role,
    stop_implying,
)
from identity.models import Role


class Inferences(IdentityView):
    """All roles that imply others."""

    @documented(
        "List the roles that imply others.",
        query=asked(),
        responses={200: many("role_inferences", INFERENCES_OF_ROLE)},
    )
    def get(self, request: Request) -> Response:
        """By name, each with the roles that it implies directly."""
        found = all_implications(actor=self.actor)
        forms = [inference_form(prior, implied) for prior, implied in found]
        return paged_forms(
            request, "role_inferences", forms, lambda form: str(form["prior_role"]["id"])
        )


class ImpliedRoles(IdentityView):
    """What one role implies."""

    @documented(
        "List the roles that a role implies.",
        responses={200: INFERENCES},
    )
    def get(self, request: Request, prior_id: str) -> Response:
        """The roles that it implies directly, by name."""
        prior = find_role(role_id=prior_id, actor=self.actor)
        form = inference_form(prior, implied_by(prior=prior, actor=self.actor))
        return Response({"role_inference": form, "links": {"self": self.own_address}})


class ImpliedRoleView(IdentityView):
    """One implication."""

    def _roles(self, prior_id: str, implied_id: str) -> tuple[Role, Role]:
        return (
            find_role(role_id=prior_id, actor=self.actor),
            find_role(role_id=implied_id, actor=self.actor),
        )

    def _answer(self, prior: Role, implied: Role, code: int) -> Response:
        links = {"self": address("roles", prior.id, "implies", implied.id)}
        form = inference_form(prior, implied)
        return Response({"role_inference": form, "links": links}, status=code)

    @documented(
        "Show that a role implies another.",
        responses={200: INFERENCE},
    )
    def get(self, request: Request, prior_id: str, implied_id: str) -> Response:
        """Both roles, if the one implies the other; else 404."""
        prior, implied = self._roles(prior_id, implied_id)
        check_implied(prior=prior, implied=implied, actor=self.actor)
        return self._answer(prior, implied, status.HTTP_200_OK)

    def head(self, request: Request, prior_id: str, implied_id: str) -> Response:
        """The same without an answer, whose status is not that of GET, as clients know it."""
        prior, implied = self._roles(prior_id, implied_id)
        check_implied(prior=prior, implied=implied, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @documented(
        "Let a role imply another.",
        responses={201: INFERENCE},
    )
    def put(self, request: Request, prior_id: str, implied_id: str) -> Response:
        """Let the one imply the other; 201."""
        prior, implied = self._roles(prior_id, implied_id)
        imply_role(prior=prior, implied=implied, actor=self.actor)
        return self._answer(prior, implied, status.HTTP_201_CREATED)

    @documented(
        "Let a role imply another no more.",
        responses={204: None},
    )
    def delete(self, request: Request, prior_id: str, implied_id: str) -> Response:
        """Take it back."""
        prior, implied = self._roles(prior_id, implied_id)
        stop_implying(prior=prior, implied=implied, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

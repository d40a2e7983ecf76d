"""Which roles imply which others."""

from __future__ import annotations

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from identity.api.forms import address, inference_form
from identity.api.pages import paged_forms
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

    def get(self, request: Request) -> Response:
        """By name, each with the roles that it implies directly."""
        found = all_implications(actor=self.actor)
        forms = [inference_form(prior, implied) for prior, implied in found]
        return paged_forms(
            request, "role_inferences", forms, lambda form: str(form["prior_role"]["id"])
        )


class ImpliedRoles(IdentityView):
    """What one role implies."""

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

    def put(self, request: Request, prior_id: str, implied_id: str) -> Response:
        """Let the one imply the other; 201."""
        prior, implied = self._roles(prior_id, implied_id)
        imply_role(prior=prior, implied=implied, actor=self.actor)
        return self._answer(prior, implied, status.HTTP_201_CREATED)

    def delete(self, request: Request, prior_id: str, implied_id: str) -> Response:
        """Take it back."""
        prior, implied = self._roles(prior_id, implied_id)
        stop_implying(prior=prior, implied=implied, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

"""Roles, who has them, and where."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from identity.api.bodies import CREATE_ROLE, UPDATE_ROLE
from identity.api.filters import narrowed, present
from identity.api.forms import address, assignment_form, listing, role_form
from identity.api.views import IdentityView
from identity.changes import RoleFields
from identity.create import create_role
from identity.delete import delete_role
from identity.find import all_assignments, all_roles, find_project, find_role, find_user
from identity.grant import (
    EffectiveRole,
    check_grant,
    effective_roles,
    grant_role,
    granted_roles,
    revoke_role,
)
from identity.models import Project, Role, User
from identity.update import update_role


def _fields(body: dict[str, Any]) -> RoleFields:
    return RoleFields(
        name=body.get("name"),
        description=body["description"] or "" if "description" in body else None,
    )


class Roles(IdentityView):
    """All roles."""

    def get(self, request: Request) -> Response:
        """By name; `name` narrows it, and any `domain_id` to nothing."""
        query = request.query_params
        roles = narrowed(all_roles(actor=self.actor), query, {"name": "name"})
        if query.get("domain_id"):
            roles = roles.none()
        return Response(listing("roles", map(role_form, roles), self.own_address))

    def post(self, request: Request) -> Response:
        """Make one; 201."""
        body = CREATE_ROLE.check(request.data)["role"]
        role = create_role(fields=_fields(body), actor=self.actor)
        return Response({"role": role_form(role)}, status=status.HTTP_201_CREATED)


class RoleView(IdentityView):
    """One role."""

    def get(self, request: Request, role_id: str) -> Response:
        """The role."""
        return Response({"role": role_form(find_role(role_id=role_id, actor=self.actor))})

    def patch(self, request: Request, role_id: str) -> Response:
        """Change what the body names."""
        role = find_role(role_id=role_id, actor=self.actor)
        body = UPDATE_ROLE.check(request.data)["role"]
        role = update_role(role=role, fields=_fields(body), actor=self.actor)
        return Response({"role": role_form(role)})

    def delete(self, request: Request, role_id: str) -> Response:
        """Delete it."""
        delete_role(role=find_role(role_id=role_id, actor=self.actor), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class Grants(IdentityView):
    """The roles of a user in a project, as assigned."""

    def get(self, request: Request, scope_id: str, user_id: str) -> Response:
        """The list."""
        project = find_project(project_id=scope_id, actor=self.actor)
        user = find_user(user_id=user_id, actor=self.actor)
        roles = granted_roles(project=project, user=user, actor=self.actor)
        url = address("projects", scope_id, "users", user_id, "roles")
        return Response(listing("roles", map(role_form, roles), url))


class Grant(IdentityView):
    """One role of a user in a project."""

    def _named(self, scope_id: str, user_id: str, role_id: str) -> tuple[Project, User, Role]:
        return (
            find_project(project_id=scope_id, actor=self.actor),
            find_user(user_id=user_id, actor=self.actor),
            find_role(role_id=role_id, actor=self.actor),
        )

    def get(self, request: Request, scope_id: str, user_id: str, role_id: str) -> Response:
        """204 if the user has it, else 404."""
        project, user, role = self._named(scope_id, user_id, role_id)
        check_grant(project=project, user=user, role=role, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def put(self, request: Request, scope_id: str, user_id: str, role_id: str) -> Response:
        """Give it."""
        project, user, role = self._named(scope_id, user_id, role_id)
        grant_role(project=project, user=user, role=role, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def delete(self, request: Request, scope_id: str, user_id: str, role_id: str) -> Response:
        """Take it back."""
        project, user, role = self._named(scope_id, user_id, role_id)
        revoke_role(project=project, user=user, role=role, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class Assignments(IdentityView):
    """Who has which role where."""

    # Of these there are none: no groups, no roles in a domain or on the system, none inherited.
    _EMPTY = ("group.id", "scope.domain.id", "scope.system", "scope.OS-INHERIT:inherited_to")

    def get(self, request: Request) -> Response:
        """As assigned or, with `effective`, with what the roles imply."""
        query = request.query_params
        columns = {"user.id": "user_id", "scope.project.id": "project_id"}
        assignments = narrowed(all_assignments(actor=self.actor), query, columns)
        if any(query.get(key) for key in self._EMPTY):
            assignments = assignments.none()
        found: Iterable[EffectiveRole] = (
            effective_roles(assignments)
            if present(query, "effective")
            else (EffectiveRole(assignment, assignment.role) for assignment in assignments)
        )
        wanted = query.get("role.id")
        with_names = present(query, "include_names")
        forms = [
            assignment_form(entry, with_names=with_names)
            for entry in found
            if wanted is None or entry.role.id == wanted
        ]
        return Response(listing("role_assignments", forms, self.own_address))

"""Roles, who has them, and where."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import QueryDict
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from cloudportal.errors import Invalid
from identity.api.bodies import CREATE_ROLE, UPDATE_ROLE
from identity.api.filters import narrowed, present
from identity.api.forms import assignment_form, role_form
from identity.api.pages import paged, paged_forms
from identity.api.shapes import (
    ASSIGNMENT,
    ASSIGNMENTS,
    ROLE,
    asked,
    many,
    one,
)
from identity.api.views import IdentityView
from identity.changes import RoleFields
from identity.create import create_role
from identity.delete import delete_role
from identity.find import (
    all_assignments,
    all_roles,
    find_domain,
    find_project,
    find_role,
    find_user,
)
from identity.holdings import (
    HeldRole,
    Holding,
    all_grants,
    as_held,
    check_role,
    effective,
    give_role,
    held_roles,
    take_role,
)
from identity.memberships import find_group
from identity.models import Domain, Group, Project, User
from identity.update import update_role


def _fields(body: dict[str, Any]) -> RoleFields:
    return RoleFields(
        name=body.get("name"),
        domain_id=body.get("domain_id"),
        description=body["description"] or "" if "description" in body else None,
        options=body.get("options"),
    )


class Roles(IdentityView):
    """All roles."""

    @documented(
        "List the roles of the cloud, or of a domain.",
        query=asked("name", "domain_id"),
        responses={200: many("roles", ROLE)},
    )
    def get(self, request: Request) -> Response:
        """Those of the cloud or, with `domain_id`, of that domain; `name` narrows it."""
        query = request.query_params
        roles = narrowed(all_roles(actor=self.actor), query, {"name": "name"})
        roles = (
            roles.filter(domain_id=query["domain_id"])
            if query.get("domain_id")
            else roles.filter(domain__isnull=True)
        )
        return paged(request, "roles", roles, role_form)

    @documented(
        "Create a role.",
        request=CREATE_ROLE,
        responses={201: one("role", ROLE)},
    )
    def post(self, request: Request) -> Response:
        """Make one; 201."""
        body = CREATE_ROLE.check(request.data)["role"]
        role = create_role(fields=_fields(body), actor=self.actor)
        return Response({"role": role_form(role)}, status=status.HTTP_201_CREATED)


class RoleView(IdentityView):
    """One role."""

    @documented(
        "Show a role.",
        responses={200: one("role", ROLE)},
    )
    def get(self, request: Request, role_id: str) -> Response:
        """The role."""
        return Response({"role": role_form(find_role(role_id=role_id, actor=self.actor))})

    @documented(
        "Change a role.",
        request=UPDATE_ROLE,
        responses={200: one("role", ROLE)},
    )
    def patch(self, request: Request, role_id: str) -> Response:
        """Change what the body names."""
        role = find_role(role_id=role_id, actor=self.actor)
        body = UPDATE_ROLE.check(request.data)["role"]
        role = update_role(role=role, fields=_fields(body), actor=self.actor)
        return Response({"role": role_form(role)})

    @documented(
        "Delete a role and take it from everybody.",
        responses={204: None},
    )
    def delete(self, request: Request, role_id: str) -> Response:
        """Delete it."""
        delete_role(role=find_role(role_id=role_id, actor=self.actor), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class GrantBase(IdentityView):
    """The roles of a user or a group in a project or a domain, or inherited from a domain.

    The address says which: `places` and `holders` are its words.
    """

    places = "projects"
    holders = "users"
    is_inherited = False

    def holding(self, scope_id: str, holder_id: str) -> Holding:
        """What the address names."""
        place: Project | Domain
        holder: User | Group
        if self.places == "projects":
            place = find_project(project_id=scope_id, actor=self.actor)
        else:
            place = find_domain(domain_id=scope_id, actor=self.actor)
        if self.holders == "users":
            holder = find_user(user_id=holder_id, actor=self.actor)
        else:
            holder = find_group(group_id=holder_id, actor=self.actor)
        return Holding(holder, place, self.is_inherited)


class Grants(GrantBase):
    """The roles, as assigned."""

    @documented(
        "List the roles that are held there.",
        query=asked(),
        responses={200: many("roles", ROLE)},
    )
    def get(self, request: Request, scope_id: str, holder_id: str) -> Response:
        """The list."""
        holding = self.holding(scope_id, holder_id)
        roles = held_roles(holding=holding, actor=self.actor)
        return paged_forms(request, "roles", [role_form(role) for role in roles])


class Grant(GrantBase):
    """One role."""

    @documented(
        "Check whether a role is held there.",
        responses={204: None},
    )
    def get(self, request: Request, scope_id: str, holder_id: str, role_id: str) -> Response:
        """204 if it is held, else 404."""
        holding = self.holding(scope_id, holder_id)
        role = find_role(role_id=role_id, actor=self.actor)
        check_role(holding=holding, role=role, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @documented(
        "Give a role.",
        responses={204: None},
    )
    def put(self, request: Request, scope_id: str, holder_id: str, role_id: str) -> Response:
        """Give it."""
        holding = self.holding(scope_id, holder_id)
        role = find_role(role_id=role_id, actor=self.actor)
        give_role(holding=holding, role=role, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @documented(
        "Take a role back.",
        responses={204: None},
    )
    def delete(self, request: Request, scope_id: str, holder_id: str, role_id: str) -> Response:
        """Take it back."""
        holding = self.holding(scope_id, holder_id)
        role = find_role(role_id=role_id, actor=self.actor)
        take_role(holding=holding, role=role, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class Assignments(IdentityView):
    """Who has which role where."""

    @documented(
        "List who has which role where.",
        query=ASSIGNMENTS,
        responses={200: many("role_assignments", ASSIGNMENT)},
    )
    def get(self, request: Request) -> Response:
        """As assigned or, with `effective`, for each user what groups and roles come to."""
        query = request.query_params
        columns = {"user.id": "user_id", "scope.project.id": "project_id"}
        assignments = narrowed(all_assignments(actor=self.actor), query, columns)
        grants = all_grants(actor=self.actor)
        is_effective = present(query, "effective")
        if is_effective and "group.id" in query:
            raise Invalid(
                "Combining effective and group filter will always result in an empty list."
            )
        if present(query, "include_subtree") and "scope.project.id" not in query:
            raise Invalid("scope.project.id must be specified if include_subtree is also specified")
        held: Iterable[HeldRole] = as_held(assignments, grants)
        found = effective(held) if is_effective else held
        with_names = present(query, "include_names")
        forms = [
            assignment_form(entry, with_names=with_names)
            for entry in found
            if _is_wanted(entry, query)
        ]
        # They have no ids, and an effective one may be there twice: pages go by the count.
        keys = {id(form): str(number) for number, form in enumerate(forms, start=1)}
        return paged_forms(request, "role_assignments", forms, lambda form: keys[id(form)])


def _is_wanted(entry: HeldRole, query: QueryDict) -> bool:
    """Whether an entry passes every filter of the query; roles on the system there are none."""
    holder, place = entry.holding.holder, entry.holding.place
    own = {
        "user.id": holder.id if isinstance(holder, User) else None,
        "group.id": holder.id if isinstance(holder, Group) else None,
        "scope.project.id": place.id if isinstance(place, Project) else None,
        "scope.domain.id": place.id if isinstance(place, Domain) else None,
        "role.id": entry.role.id,
        "scope.system": None,
        "scope.OS-INHERIT:inherited_to": "projects"
        if entry.holding.is_inherited or entry.by_domain
        else None,
    }
    return all(own[key] == query[key] for key in own if query.get(key))

"""Domains and projects."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.errors import Invalid
from identity.api.bodies import CREATE_PROJECT, UPDATE_PROJECT
from identity.api.filters import flag, narrowed
from identity.api.forms import address, domain_form, listing, project_form
from identity.api.views import IdentityView
from identity.changes import ProjectFields
from identity.create import create_project
from identity.delete import delete_project
from identity.find import (
    all_domains,
    all_projects,
    find_domain,
    find_project,
    projects_of_user,
)
from identity.update import update_project


def _fields(body: dict[str, Any]) -> ProjectFields:
    return ProjectFields(
        name=body.get("name"),
        domain_id=body.get("domain_id"),
        description=body["description"] or "" if "description" in body else None,
        enabled=body.get("enabled"),
        tags=body.get("tags"),
    )


class Domains(IdentityView):
    """All domains."""

    def get(self, request: Request) -> Response:
        """By name; `name` and `enabled` narrow it."""
        domains = narrowed(all_domains(actor=self.actor), request.query_params, {"name": "name"})
        enabled = flag(request.query_params, "enabled")
        if enabled is not None:
            domains = domains.filter(enabled=enabled)
        return Response(listing("domains", map(domain_form, domains), self.own_address))


class DomainView(IdentityView):
    """One domain."""

    def get(self, request: Request, domain_id: str) -> Response:
        """The domain."""
        domain = find_domain(domain_id=domain_id, actor=self.actor)
        return Response({"domain": domain_form(domain)})


class Projects(IdentityView):
    """All projects."""

    def get(self, request: Request) -> Response:
        """By name; narrowed by `name`, `domain_id`, `parent_id`, `enabled`, `is_domain`, `tags`."""
        query = request.query_params
        columns = {"name": "name", "domain_id": "domain_id", "parent_id": "domain_id"}
        projects = narrowed(all_projects(actor=self.actor), query, columns)
        enabled = flag(query, "enabled")
        if enabled is not None:
            projects = projects.filter(enabled=enabled)
        if flag(query, "is_domain"):
            projects = projects.none()
        wanted = {tag for tag in query.get("tags", "").split(",") if tag}
        found = [project for project in projects if wanted <= set(project.tags)]
        return Response(listing("projects", map(project_form, found), self.own_address))

    def post(self, request: Request) -> Response:
        """Make one; 201."""
        body = CREATE_PROJECT.check(request.data)["project"]
        parent = body.get("parent_id")
        fields = _fields(body)
        if parent is not None and parent != (fields.domain_id or parent):
            raise Invalid("Projects inside projects are not offered: parent_id is the domain's id.")
        if parent is not None and fields.domain_id is None:
            fields = _fields({**body, "domain_id": parent})
        project = create_project(fields=fields, actor=self.actor)
        return Response({"project": project_form(project)}, status=status.HTTP_201_CREATED)


class ProjectView(IdentityView):
    """One project."""

    def get(self, request: Request, scope_id: str) -> Response:
        """The project."""
        project = find_project(project_id=scope_id, actor=self.actor)
        return Response({"project": project_form(project)})

    def patch(self, request: Request, scope_id: str) -> Response:
        """Change what the body names."""
        project = find_project(project_id=scope_id, actor=self.actor)
        body = UPDATE_PROJECT.check(request.data)["project"]
        project = update_project(project=project, fields=_fields(body), actor=self.actor)
        return Response({"project": project_form(project)})

    def delete(self, request: Request, scope_id: str) -> Response:
        """Delete it, if it is empty."""
        project = find_project(project_id=scope_id, actor=self.actor)
        delete_project(project=project, actor=self.actor, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class UserProjects(IdentityView):
    """The projects of a user."""

    def get(self, request: Request, user_id: str) -> Response:
        """By name."""
        projects = projects_of_user(user_id=user_id, actor=self.actor)
        url = address("users", user_id, "projects")
        return Response(listing("projects", map(project_form, projects), url))

"""Projects."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from cloudportal.errors import Invalid
from identity.api.bodies import CREATE_PROJECT, UPDATE_PROJECT
from identity.api.filters import present, wanted_projects
from identity.api.forms import Json, project_form
from identity.api.pages import paged
from identity.api.shapes import (
    KIN,
    PROJECT,
    PROJECT_IN_TREE,
    PROJECTS,
    many,
    one,
)
from identity.api.views import IdentityView
from identity.changes import ProjectFields
from identity.create import create_project
from identity.delete import delete_project
from identity.errors import ParentIsFixed
from identity.find import all_projects, find_project, projects_of_user
from identity.models import Project
from identity.update import update_project


def _fields(body: dict[str, Any]) -> ProjectFields:
    return ProjectFields(
        name=body.get("name"),
        domain_id=body.get("domain_id"),
        description=body["description"] or "" if "description" in body else None,
        enabled=body.get("enabled"),
        tags=body.get("tags"),
        options=body.get("options"),
    )


def _kin(project: Project, request: Request) -> Json:
    """What a client may ask of the projects above and below: above is the domain alone."""
    asked: dict[str, Json] = {
        "parents_as_ids": {"parents": {project.domain_id: None}},
        "parents_as_list": {"parents": []},
        "subtree_as_ids": {"subtree": None},
        "subtree_as_list": {"subtree": []},
    }
    found: Json = {}
    for key, shown in asked.items():
        if present(request.query_params, key):
            found.update(shown)
    return found


class Projects(IdentityView):
    """All projects."""

    @documented(
        "List projects.",
        query=PROJECTS,
        responses={200: many("projects", PROJECT)},
    )
    def get(self, request: Request) -> Response:
        """By name; narrowed by `name`, `domain_id`, `parent_id`, `enabled`, `is_domain`, `tags`."""
        projects = wanted_projects(all_projects(actor=self.actor), request.query_params)
        return paged(request, "projects", projects, project_form)

    @documented(
        "Create a project.",
        request=CREATE_PROJECT,
        responses={201: one("project", PROJECT)},
    )
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

    @documented(
        "Show a project.",
        query=KIN,
        responses={200: one("project", PROJECT_IN_TREE)},
    )
    def get(self, request: Request, scope_id: str) -> Response:
        """The project; `parents_as_ids` and the like show its place in a tree of one level."""
        project = find_project(project_id=scope_id, actor=self.actor)
        return Response({"project": {**project_form(project), **_kin(project, request)}})

    @documented(
        "Change a project.",
        request=UPDATE_PROJECT,
        responses={200: one("project", PROJECT)},
    )
    def patch(self, request: Request, scope_id: str) -> Response:
        """Change what the body names."""
        project = find_project(project_id=scope_id, actor=self.actor)
        body = UPDATE_PROJECT.check(request.data)["project"]
        if body.get("parent_id", project.domain_id) != project.domain_id:
            raise ParentIsFixed
        project = update_project(project=project, fields=_fields(body), actor=self.actor)
        return Response({"project": project_form(project)})

    @documented(
        "Delete an empty project.",
        responses={204: None},
    )
    def delete(self, request: Request, scope_id: str) -> Response:
        """Delete it, if it is empty."""
        project = find_project(project_id=scope_id, actor=self.actor)
        delete_project(project=project, actor=self.actor, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class UserProjects(IdentityView):
    """The projects of a user."""

    @documented(
        "List the projects in which a user has a role.",
        query=PROJECTS,
        responses={200: many("projects", PROJECT)},
    )
    def get(self, request: Request, user_id: str) -> Response:
        """By name, narrowed as the list of all is."""
        own = projects_of_user(user_id=user_id, actor=self.actor)
        projects = wanted_projects(own, request.query_params)
        return paged(request, "projects", projects, project_form)

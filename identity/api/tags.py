"""Tags of projects."""

from __future__ import annotations

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from identity.api.bodies import TAG, TAGS
from identity.api.forms import listing
from identity.api.shapes import (
    TAGS_OF_PROJECT,
)
from identity.api.views import IdentityView
from identity.find import find_project
from identity.tags import add_tag, check_tag, remove_tag, remove_tags, replace_tags, tags_of


class Tags(IdentityView):
    """The tags of a project."""

    @documented(
        "List the tags of a project.",
        responses={200: TAGS_OF_PROJECT},
    )
    def get(self, request: Request, scope_id: str) -> Response:
        """The list."""
        project = find_project(project_id=scope_id, actor=self.actor)
        return self._answer(tags_of(project=project, actor=self.actor))

    @documented(
        "Replace the tags of a project.",
        request=TAGS,
        responses={200: TAGS_OF_PROJECT},
    )
    def put(self, request: Request, scope_id: str) -> Response:
        """Replace them."""
        project = find_project(project_id=scope_id, actor=self.actor)
        tags = TAGS.check(request.data)["tags"]
        return self._answer(replace_tags(project=project, tags=tags, actor=self.actor))

    @documented(
        "Take all tags from a project.",
        responses={204: None},
    )
    def delete(self, request: Request, scope_id: str) -> Response:
        """Take all away."""
        project = find_project(project_id=scope_id, actor=self.actor)
        remove_tags(project=project, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _answer(self, tags: list[str]) -> Response:
        links = listing("tags", [], self.own_address)["links"]
        return Response({"tags": tags, "links": links})


class Tag(IdentityView):
    """One tag of a project."""

    @documented(
        "Check whether a project has a tag.",
        responses={204: None},
    )
    def get(self, request: Request, scope_id: str, tag: str) -> Response:
        """204 if the project has it, else 404."""
        project = find_project(project_id=scope_id, actor=self.actor)
        check_tag(project=project, tag=tag, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @documented(
        "Give a project one more tag.",
        responses={201: None},
    )
    def put(self, request: Request, scope_id: str, tag: str) -> Response:
        """Add it; 201."""
        project = find_project(project_id=scope_id, actor=self.actor)
        add_tag(project=project, tag=TAG.check(tag), actor=self.actor)
        return Response(status=status.HTTP_201_CREATED)

    @documented(
        "Take a tag from a project.",
        responses={204: None},
    )
    def delete(self, request: Request, scope_id: str, tag: str) -> Response:
        """Take it away."""
        project = find_project(project_id=scope_id, actor=self.actor)
        remove_tag(project=project, tag=tag, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

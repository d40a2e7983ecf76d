"""Groups and who is in them."""

from __future__ import annotations

from typing import Any

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from identity.api.bodies import CREATE_GROUP, UPDATE_GROUP
from identity.api.filters import narrowed
from identity.api.forms import group_form, user_form
from identity.api.pages import paged
from identity.api.shapes import (
    GROUP,
    USER,
    asked,
    many,
    one,
)
from identity.api.views import IdentityView
from identity.changes import GroupFields
from identity.find import find_user
from identity.memberships import (
    add_member,
    all_groups,
    check_member,
    create_group,
    delete_group,
    find_group,
    groups_of_user,
    members_of,
    remove_member,
    update_group,
)
from identity.models import Group, User


def _fields(body: dict[str, Any]) -> GroupFields:
    return GroupFields(
        name=body.get("name"),
        domain_id=body.get("domain_id"),
        description=body["description"] or "" if "description" in body else None,
    )


class Groups(IdentityView):
    """All groups."""

    @documented(
        "List groups.",
        query=asked("name", "domain_id"),
        responses={200: many("groups", GROUP)},
    )
    def get(self, request: Request) -> Response:
        """By name; `name` and `domain_id` narrow it."""
        columns = {"name": "name", "domain_id": "domain_id"}
        groups = narrowed(all_groups(actor=self.actor), request.query_params, columns)
        return paged(request, "groups", groups, group_form)

    @documented(
        "Create a group.",
        request=CREATE_GROUP,
        responses={201: one("group", GROUP)},
    )
    def post(self, request: Request) -> Response:
        """Make one; 201."""
        body = CREATE_GROUP.check(request.data)["group"]
        group = create_group(fields=_fields(body), actor=self.actor)
        return Response({"group": group_form(group)}, status=status.HTTP_201_CREATED)


class GroupView(IdentityView):
    """One group."""

    @documented(
        "Show a group.",
        responses={200: one("group", GROUP)},
    )
    def get(self, request: Request, group_id: str) -> Response:
        """The group."""
        return Response({"group": group_form(find_group(group_id=group_id, actor=self.actor))})

    @documented(
        "Change a group.",
        request=UPDATE_GROUP,
        responses={200: one("group", GROUP)},
    )
    def patch(self, request: Request, group_id: str) -> Response:
        """Change what the body names."""
        group = find_group(group_id=group_id, actor=self.actor)
        body = UPDATE_GROUP.check(request.data)["group"]
        group = update_group(group=group, fields=_fields(body), actor=self.actor)
        return Response({"group": group_form(group)})

    @documented(
        "Delete a group.",
        responses={204: None},
    )
    def delete(self, request: Request, group_id: str) -> Response:
        """Delete it."""
        delete_group(group=find_group(group_id=group_id, actor=self.actor), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class Members(IdentityView):
    """The users in a group."""

    @documented(
        "List the users in a group.",
        query=asked("name"),
        responses={200: many("users", USER)},
    )
    def get(self, request: Request, group_id: str) -> Response:
        """By name; `name` narrows it."""
        group = find_group(group_id=group_id, actor=self.actor)
        members = members_of(group=group, actor=self.actor)
        users = narrowed(members, request.query_params, {"name": "name"})
        return paged(request, "users", users, user_form)


class Member(IdentityView):
    """One user in a group."""

    def _named(self, group_id: str, user_id: str) -> tuple[Group, User]:
        return (
            find_group(group_id=group_id, actor=self.actor),
            find_user(user_id=user_id, actor=self.actor),
        )

    @documented(
        "Check whether a user is in a group.",
        responses={204: None},
    )
    def get(self, request: Request, group_id: str, user_id: str) -> Response:
        """204 if the user is in it, else 404."""
        group, user = self._named(group_id, user_id)
        check_member(group=group, user=user, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @documented(
        "Put a user into a group.",
        responses={204: None},
    )
    def put(self, request: Request, group_id: str, user_id: str) -> Response:
        """Put the user in."""
        group, user = self._named(group_id, user_id)
        add_member(group=group, user=user, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @documented(
        "Take a user out of a group.",
        responses={204: None},
    )
    def delete(self, request: Request, group_id: str, user_id: str) -> Response:
        """Take the user out."""
        group, user = self._named(group_id, user_id)
        remove_member(group=group, user=user, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class UserGroups(IdentityView):
    """The groups of a user."""

    @documented(
        "List the groups that a user is in.",
        query=asked("name"),
        responses={200: many("groups", GROUP)},
    )
    def get(self, request: Request, user_id: str) -> Response:
        """By name; `name` narrows it."""
        user = find_user(user_id=user_id, actor=self.actor)
        own = groups_of_user(user=user, actor=self.actor)
        groups = narrowed(own, request.query_params, {"name": "name"})
        return paged(request, "groups", groups, group_form)

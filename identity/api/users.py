"""Users."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from identity.api.bodies import CHANGE_PASSWORD, CREATE_USER, UPDATE_USER
from identity.api.filters import flag, narrowed
from identity.api.forms import user_form
from identity.api.pages import paged
from identity.api.shapes import (
    USER,
    asked,
    many,
    one,
)
from identity.api.versions import OpenView
from identity.api.views import IdentityView
from identity.changes import UserFields
from identity.create import create_user
from identity.delete import delete_user
from identity.find import all_users, find_user
from identity.update import change_password, update_user


def _fields(body: dict[str, Any]) -> UserFields:
    def clearable(name: str) -> str | None:
        return body[name] or "" if name in body else None

    return UserFields(
        name=body.get("name"),
        domain_id=body.get("domain_id"),
        description=clearable("description"),
        email=clearable("email"),
        enabled=body.get("enabled"),
        default_project_id=clearable("default_project_id"),
        password=body.get("password"),
    )


class Users(IdentityView):
    """All users."""

    @documented(
        "List users.",
        query=asked("name", "domain_id", "enabled"),
        responses={200: many("users", USER)},
    )
    def get(self, request: Request) -> Response:
        """By name; `name`, `domain_id` and `enabled` narrow it."""
        query = request.query_params
        columns = {"name": "name", "domain_id": "domain_id"}
        users = narrowed(all_users(actor=self.actor), query, columns)
        enabled = flag(query, "enabled")
        if enabled is not None:
            users = users.filter(is_active=enabled)
        return paged(request, "users", users, user_form)

    @documented(
        "Create a user.",
        request=CREATE_USER,
        responses={201: one("user", USER)},
    )
    def post(self, request: Request) -> Response:
        """Make one; 201."""
        body = CREATE_USER.check(request.data)["user"]
        user = create_user(fields=_fields(body), actor=self.actor)
        return Response({"user": user_form(user)}, status=status.HTTP_201_CREATED)


class UserView(IdentityView):
    """One user."""

    @documented(
        "Show a user.",
        responses={200: one("user", USER)},
    )
    def get(self, request: Request, user_id: str) -> Response:
        """The user."""
        return Response({"user": user_form(find_user(user_id=user_id, actor=self.actor))})

    @documented(
        "Change a user.",
        request=UPDATE_USER,
        responses={200: one("user", USER)},
    )
    def patch(self, request: Request, user_id: str) -> Response:
        """Change what the body names."""
        user = find_user(user_id=user_id, actor=self.actor)
        body = UPDATE_USER.check(request.data)["user"]
        user = update_user(user=user, fields=_fields(body), actor=self.actor, now=timezone.now())
        return Response({"user": user_form(user)})

    @documented(
        "Delete a user.",
        responses={204: None},
    )
    def delete(self, request: Request, user_id: str) -> Response:
        """Delete the user."""
        user = find_user(user_id=user_id, actor=self.actor)
        delete_user(user=user, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class Password(OpenView):
    """A user's own password; the old one is the proof, so that an expired token is no obstacle."""

    @documented(
        "Change one's own password by the old one.",
        request=CHANGE_PASSWORD,
        responses={204: None},
    )
    def post(self, request: Request, user_id: str) -> Response:
        """Change it; 204."""
        body = CHANGE_PASSWORD.check(request.data)["user"]
        change_password(
            user_id=user_id,
            original=body["original_password"],
            new=body["password"],
            now=timezone.now(),
        )
        return Response(status=status.HTTP_204_NO_CONTENT)

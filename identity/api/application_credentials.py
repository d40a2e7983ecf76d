"""Application credentials of a user, and the access rules that they are limited by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.utils import timezone
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from cloudportal.errors import Invalid
from identity.access_rules import (
    WantedRule,
    access_rules_of,
    delete_access_rule,
    find_access_rule,
)
from identity.api.bodies import CREATE_APPLICATION_CREDENTIAL
from identity.api.filters import narrowed
from identity.api.forms import access_rule_form, application_credential_form
from identity.api.pages import paged
from identity.api.shapes import (
    ACCESS_RULE,
    APPLICATION_CREDENTIAL,
    NEW_APPLICATION_CREDENTIAL,
    asked,
    many,
    one,
)
from identity.api.views import IdentityView
from identity.application_credentials import (
    NewApplicationCredential,
    application_credentials_of,
    create_application_credential,
    delete_application_credential,
    find_application_credential,
)
from identity.errors import BadApplicationCredential
from identity.models import Role


def _roles() -> dict[str, Role]:
    return {role.id: role for role in Role.objects.all()}


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        value = datetime.fromisoformat(text)
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid("expires_at is not a date and time in ISO 8601.") from error


def _wanted(body: dict[str, Any]) -> NewApplicationCredential:
    rules = body.get("access_rules") or None
    return NewApplicationCredential(
        name=body["name"],
        description=body.get("description") or "",
        roles=tuple(body["roles"]) if body.get("roles") else None,
        secret=body.get("secret"),
        expires_at=_instant(body.get("expires_at")),
        is_unrestricted=bool(body.get("unrestricted")),
        access_rules=None if rules is None else tuple(WantedRule(**rule) for rule in rules),
    )


class ApplicationCredentials(IdentityView):
    """A user's application credentials."""

    @documented(
        "List a user's application credentials.",
        query=asked("name"),
        responses={200: many("application_credentials", APPLICATION_CREDENTIAL)},
    )
    def get(self, request: Request, user_id: str) -> Response:
        """By name; `name` narrows it."""
        own = application_credentials_of(user_id=user_id, actor=self.actor)
        found = narrowed(own, request.query_params, {"name": "name"})
        roles = _roles()
        return paged(
            request,
            "application_credentials",
            found,
            lambda credential: application_credential_form(credential, roles),
        )

    @documented(
        "Create an application credential; its secret is shown this once.",
        request=CREATE_APPLICATION_CREDENTIAL,
        responses={201: one("application_credential", NEW_APPLICATION_CREDENTIAL)},
    )
    def post(self, request: Request, user_id: str) -> Response:
        """Make one for the token's project; 201, and the secret this once."""
        body = CREATE_APPLICATION_CREDENTIAL.check(request.data)["application_credential"]
        if body.get("project_id") not in (None, self.actor.project_id):
            raise BadApplicationCredential("its project is that of the token.")
        credential, secret = create_application_credential(
            user_id=user_id, wanted=_wanted(body), actor=self.actor, now=timezone.now()
        )
        form = {**application_credential_form(credential, _roles()), "secret": secret}
        return Response({"application_credential": form}, status=status.HTTP_201_CREATED)


class ApplicationCredentialView(IdentityView):
    """One application credential."""

    @documented(
        "Show an application credential.",
        responses={200: one("application_credential", APPLICATION_CREDENTIAL)},
    )
    def get(self, request: Request, user_id: str, credential_id: str) -> Response:
        """The credential, without its secret."""
        credential = find_application_credential(
            user_id=user_id, credential_id=credential_id, actor=self.actor
        )
        form = application_credential_form(credential, _roles())
        return Response({"application_credential": form})

    @documented(
        "Delete an application credential.",
        responses={204: None},
    )
    def delete(self, request: Request, user_id: str, credential_id: str) -> Response:
        """Delete it, and with it what the tokens from it may do."""
        credential = find_application_credential(
            user_id=user_id, credential_id=credential_id, actor=self.actor
        )
        delete_application_credential(credential=credential, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class AccessRules(IdentityView):
    """A user's access rules."""

    @documented(
        "List a user's access rules.",
        query=asked("service", "method", "path"),
        responses={200: many("access_rules", ACCESS_RULE)},
    )
    def get(self, request: Request, user_id: str) -> Response:
        """By service and path; `service`, `method` and `path` narrow it."""
        columns = {name: name for name in ("service", "method", "path")}
        own = access_rules_of(user_id=user_id, actor=self.actor)
        rules = narrowed(own, request.query_params, columns)
        order = ("service", "path", "method", "id")
        return paged(request, "access_rules", rules, access_rule_form, order)


class AccessRuleView(IdentityView):
    """One access rule."""

    @documented(
        "Show an access rule.",
        responses={200: one("access_rule", ACCESS_RULE)},
    )
    def get(self, request: Request, user_id: str, rule_id: str) -> Response:
        """The rule."""
        rule = find_access_rule(user_id=user_id, rule_id=rule_id, actor=self.actor)
        return Response({"access_rule": access_rule_form(rule)})

    @documented(
        "Delete an access rule that is not in use.",
        responses={204: None},
    )
    def delete(self, request: Request, user_id: str, rule_id: str) -> Response:
        """Delete it, if no application credential has it."""
        rule = find_access_rule(user_id=user_id, rule_id=rule_id, actor=self.actor)
        delete_access_rule(rule=rule, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

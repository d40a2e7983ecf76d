"""One of everything in identity, with tokens of every kind of caller, and what the calls send."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone
from rest_framework.test import APIClient

from identity.bootstrap import ensure_domain_and_roles
from identity.catalog import services
from identity.models import (
    AccessRule,
    ApplicationCredential,
    Domain,
    Group,
    ImpliedRole,
    Membership,
    Project,
    Role,
    RoleAssignment,
    RoleGrant,
    User,
)
from identity.tokens import issue_token
from tests.authorisation import NOBODY

PASSWORD = "correct horse 1"
# Who calls: the project of the token, and the role there.
_CALLERS = {
    "reader": ("own", "reader"),
    "member": ("own", "member"),
    "manager": ("own", "manager"),
    "admin": ("own", "admin"),
    "service": ("own", "service"),
    "owner": ("own", "member"),
    "without role": ("own", "nothing"),
    "unscoped": ("", ""),
    "foreign reader": ("foreign", "reader"),
    "foreign member": ("foreign", "member"),
    "foreign manager": ("foreign", "manager"),
    "foreign admin": ("foreign", "admin"),
}
CALLERS = [NOBODY, *_CALLERS]
_LOGIN = {
    "identity": {
        "methods": ["password"],
        "password": {"user": {"name": "owner", "domain": {"id": "default"}, "password": PASSWORD}},
    }
}
_CHANGE = {"original_password": PASSWORD, "password": "another horse 2"}
BODIES: dict[str, Any] = {
    "POST auth/tokens": {"auth": _LOGIN},
    "POST users/{user_id}/password": {"user": _CHANGE},
    "POST users/{user_id}/application_credentials": {"application_credential": {"name": "new"}},
    "PUT projects/{scope_id}/tags": {"tags": ["blue"]},
    **{
        f"POST {many}": {one: {"name": "new"}}
        for many, one in (
            *(("domains", "domain"), ("projects", "project"), ("users", "user")),
            *(("groups", "group"), ("roles", "role")),
        )
    },
    **{
        f"PATCH {many}/{{{name}}}": {one: {"description": "new"}}
        for many, name, one in (
            *(("domains", "domain_id", "domain"), ("projects", "scope_id", "project")),
            *(("users", "user_id", "user"), ("groups", "group_id", "group")),
            ("roles", "role_id", "role"),
        )
    },
}


@dataclass
class IdentityWorld:
    """The names that fill in addresses, and the tokens of the callers."""

    names: dict[str, str]
    tokens: dict[str, str]

    def ask(self, method: str, route: str) -> Callable[[str], int]:
        """The call as any of the callers; its status."""
        path = self.path(route)
        body = BODIES.get(f"{method} {route}", {})

        def ask(who: str) -> int:
            headers = {"X-Subject-Token": self.tokens["owner"]}
            if who != NOBODY:
                headers["X-Auth-Token"] = self.tokens[who]
            answer = APIClient(headers=headers).generic(
                method, path, json.dumps(body), content_type="application/json"
            )
            return int(answer.status_code)

        return ask

    def path(self, route: str) -> str:
        """The things are the owner's; a grant is that of reader in the place of the address."""
        words = route.split("/")
        is_grant = "{holder_id}" in words
        names = {
            **self.names,
            "scope_id": "default" if "domains" in words else self.names["project_id"],
            "holder_id": self.names["group_id" if "groups" in words else "user_id"],
            "role_id": self.names["reader_id" if is_grant else "custom_id"],
        }
        return f"/identity/v3/{route.format(**names)}"


def make_identity_world() -> IdentityWorld:
    """Make it all."""
    ensure_domain_and_roles()
    default = Domain.objects.get(pk="default")
    own = Project.objects.create(name="own", tags=["red"])
    projects = {"own": own, "foreign": Project.objects.create(name="foreign")}
    roles = {role.name: role for role in Role.objects.all()}
    roles["nothing"] = Role.objects.create(name="nothing")
    users, tokens = {}, {}
    for who, (place, role) in _CALLERS.items():
        users[who] = User.objects.create_user(who, PASSWORD)
        if place:
            RoleAssignment.objects.create(
                user=users[who], project=projects[place], role=roles[role]
            )
        tokens[who] = issue_token(
            user=users[who],
            project=projects.get(place),
            methods=["password"],
            now=timezone.now(),
            lifetime=timedelta(hours=1),
        ).text
    owner, reader = users["owner"], roles["reader"]
    group = Group.objects.create(name="team", domain=default)
    Membership.objects.create(group=group, user=owner)
    RoleAssignment.objects.create(user=owner, project=own, role=reader)
    RoleGrant.objects.create(group=group, project=own, role=reader)
    for holder in ({"user": owner}, {"group": group}):
        for is_inherited in (True, False):
            RoleGrant.objects.create(
                **holder, domain=default, role=reader, is_inherited=is_inherited
            )
    custom = Role.objects.create(name="custom")
    ImpliedRole.objects.create(prior=custom, implied=reader)
    rule = AccessRule.objects.create(user=owner, service="compute", method="GET", path="/v2.1")
    credential = ApplicationCredential.objects.create(user=owner, project=own, name="ci")
    service = services("")[0]
    names = {
        "project_id": own.id,
        "domain_id": Domain.objects.create(name="closed", enabled=False).id,
        "user_id": owner.id,
        "group_id": group.id,
        "reader_id": reader.id,
        "custom_id": custom.id,
        "prior_id": custom.id,
        "implied_id": reader.id,
        "rule_id": rule.id,
        "credential_id": credential.id,
        "service_id": service.id,
        "endpoint_id": service.endpoints[0].id,
        "region_id": "RegionOne",
        "limit_id": "any",
        "tag": "red",
        "kind": "ports",
    }
    return IdentityWorld(names, tokens)

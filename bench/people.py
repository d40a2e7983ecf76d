"""Tokens checked and issued with a thousand people about; runs inside the portal's environment."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import connection
from django.test.utils import override_settings
from django.utils import timezone

from identity.api.forms import token_form
from identity.login import Credentials, PasswordCredentials, Reference, log_in
from identity.models import (
    DEFAULT_DOMAIN_ID,
    Group,
    Membership,
    Project,
    Role,
    RoleAssignment,
    RoleGrant,
    User,
)
from identity.tokens import read_token

MANY = 1000
ROUNDS = 400
PASSWORD = "for-measuring-only"
# So that what is measured is all but the hash.
_QUICK = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def grow() -> None:
    """Have a thousand projects and users, each user with a role, some by groups as well."""
    projects = [Project(name=f"many-{number}") for number in range(MANY)]
    users = [User(name=f"many-{number}", password="!") for number in range(MANY)]
    groups = [Group(name=f"many-{number}", domain_id=DEFAULT_DOMAIN_ID) for number in range(100)]
    Project.objects.bulk_create(projects)
    User.objects.bulk_create(users)
    Group.objects.bulk_create(groups)
    member = Role.objects.of_the_cloud().get(name="member")
    RoleAssignment.objects.bulk_create(
        RoleAssignment(user=user, project=project, role=member)
        for user, project in zip(users, projects, strict=True)
    )
    Membership.objects.bulk_create(
        Membership(user=user, group=groups[number % len(groups)])
        for number, user in enumerate(users)
    )
    RoleGrant.objects.bulk_create(
        RoleGrant(group=group, project=projects[number], role=member)
        for number, group in enumerate(groups)
    )
    if connection.vendor == "postgresql":
        # What its own housekeeping would do soon after.
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


def measure() -> None:
    """Print the seconds of each check and of each issue, as JSON."""
    with override_settings(PASSWORD_HASHERS=_QUICK):
        user = User.objects.get(name="many-500")
        user.set_password(PASSWORD)
        user.save()
        shown = PasswordCredentials(Reference(name=user.name, domain_id="default"), PASSWORD)
        project = Reference(name="many-500", domain_id="default")

        def issue() -> Any:
            valid = log_in(
                credentials=Credentials(password=shown),
                scope=project,
                now=timezone.now(),
                lifetime=timedelta(hours=1),
            )
            return token_form(valid), valid

        text = issue()[1].token.text
        print(
            json.dumps(
                {
                    "token_check": _times(lambda: read_token(text, now=timezone.now())),
                    "token_issue": _times(issue),
                }
            )
        )


def _times(work: Callable[[], Any]) -> list[float]:
    for _ in range(20):
        work()
    found = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        work()
        found.append(time.perf_counter() - begin)
    return found

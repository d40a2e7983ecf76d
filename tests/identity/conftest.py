"""People, projects and their tokens."""

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from identity.models import Domain, Project, Role, RoleAssignment, User
from identity.tokens import issue_token

PASSWORD = "correct horse 1"


@pytest.fixture
def domain(db):
    return Domain.objects.get_or_create(id="default", defaults={"name": "Default"})[0]


@pytest.fixture
def roles(db):
    names = ["admin", "manager", "member", "reader", "service"]
    return {name: Role.objects.get_or_create(name=name)[0] for name in names}


@pytest.fixture
def demo(domain):
    return Project.objects.create(name="demo", domain=domain)


@pytest.fixture
def other(domain):
    return Project.objects.create(name="other", domain=domain)


@pytest.fixture
def make_user(domain, roles):
    def make(name, project=None, role="member"):
        user = User.objects.create_user(name, PASSWORD, domain=domain, default_project=project)
        if project is not None:
            RoleAssignment.objects.create(user=user, project=project, role=roles[role])
        return user

    return make


@pytest.fixture
def member(make_user, demo):
    return make_user("mia", demo, "member")


@pytest.fixture
def reader(make_user, demo):
    return make_user("rita", demo, "reader")


@pytest.fixture
def admin(make_user, other):
    return make_user("ada", other, "admin")


@pytest.fixture
def client_of():
    def make(user, project="default"):
        project = user.default_project if project == "default" else project
        token = issue_token(
            user=user,
            project=project,
            methods=["password"],
            now=timezone.now(),
            lifetime=timedelta(hours=1),
        )
        client = APIClient()
        client.credentials(HTTP_X_AUTH_TOKEN=token.text)
        client.token = token  # type: ignore[attr-defined]  # ours, for the tests
        return client

    return make

"""Logging in and out, the open project, and the file for the command line."""

import json

import pytest
import yaml
from django.test import Client
from django.urls import reverse

from dashboard.csp import POLICY
from identity.models import Project, Role, RoleAssignment, User
from tests.dashboard.world import PASSWORD

LOGIN = reverse("dashboard:login")
OVERVIEW = reverse("dashboard:overview")


def test_every_page_asks_who_is_there(world):
    server = world.server()
    client = Client()
    paths = [
        OVERVIEW,
        reverse("dashboard:servers"),
        reverse("dashboard:create-server"),
        reverse("dashboard:server", args=[server.pk]),
        reverse("dashboard:server-console", args=[server.pk]),
        reverse("dashboard:server-console-text", args=[server.pk]),
        reverse("dashboard:server-activity", args=[server.pk]),
        reverse("dashboard:server-placement", args=[server.pk]),
        reverse("dashboard:server-power", args=[server.pk, "delete"]),
        reverse("dashboard:key-pairs"),
        reverse("dashboard:import-key-pair"),
        reverse("dashboard:delete-key-pair"),
        reverse("dashboard:images"),
        reverse("dashboard:networks"),
        reverse("dashboard:access"),
        reverse("dashboard:clouds-yaml"),
    ]

    answers = {path: client.get(path) for path in paths}

    assert {path for path, answer in answers.items() if answer.status_code != 302} == set()
    assert all(answer["Location"] == f"{LOGIN}?next={path}" for path, answer in answers.items())


def test_part_of_a_page_sends_an_expired_session_to_the_login(world):
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/servers/"}

    answer = Client().get(reverse("dashboard:servers"), headers=headers)

    assert answer["HX-Redirect"] == f"{LOGIN}?next=/servers/"


def test_name_and_password_open_the_page_that_was_asked_for(world):
    credentials = {"username": "demo", "password": PASSWORD, "next": "/images/"}

    answer = Client().post(LOGIN, credentials)

    assert (answer.status_code, answer["Location"]) == (302, "/images/")


def test_login_leads_nowhere_else(world):
    credentials = {"username": "demo", "password": PASSWORD, "next": "https://evil.example/"}

    assert Client().post(LOGIN, credentials)["Location"] == OVERVIEW


def test_wrong_password_is_told_without_saying_which_was_wrong(world):
    answer = Client().post(LOGIN, {"username": "demo", "password": "guess"})

    assert answer.status_code == 200
    assert "Name or password is wrong" in answer.content.decode()


def test_login_form_needs_its_token(world):
    client = Client(enforce_csrf_checks=True)

    answer = client.post(LOGIN, {"username": "demo", "password": PASSWORD})

    assert answer.status_code == 403
    assert "The form has expired" in answer.content.decode()


def test_log_out_is_a_post(member):
    logout = reverse("dashboard:logout")

    assert member.get(logout).status_code == 405
    assert member.post(logout).url == LOGIN
    assert member.get(OVERVIEW).status_code == 302


def test_user_without_a_project_is_told_so(browse, world):
    client = browse(User.objects.create_user("lonely", PASSWORD))

    answer = client.get(reverse("dashboard:servers"))

    assert "You have no project yet" in answer.content.decode()


def test_chosen_project_stays_chosen(browse, world):
    world.server("in-demo")
    world.server("in-other", project=world.other)
    client = browse(world.admin)

    client.post(reverse("dashboard:open-project"), {"project": world.other.id})

    page = client.get(reverse("dashboard:servers")).content.decode()
    assert "in-other" in page
    assert "in-demo" not in page


def test_foreign_project_cannot_be_opened(member, world):
    answer = member.post(reverse("dashboard:open-project"), {"project": world.other.id})

    assert answer.status_code == 404


def test_default_project_is_open_at_first(browse, world):
    later = Project.objects.create(name="zzz")
    RoleAssignment.objects.create(
        user=world.member, project=later, role=Role.objects.get(name="member")
    )
    world.member.default_project = later
    world.member.save()

    page = browse(world.member).get(reverse("dashboard:access"))

    assert page.context["actor"].project_id == later.id


def test_clouds_yaml_is_complete_but_for_the_password(browse, world):
    world.member.name = 'de"mo: #\n'
    world.member.save()

    answer = browse(world.member).get(reverse("dashboard:clouds-yaml"))

    cloud = yaml.safe_load(answer.content)["clouds"]["cloudportal"]
    assert cloud["auth"] == {
        "auth_url": cloud["auth"]["auth_url"],
        "username": world.member.name,
        "user_domain_name": "Default",
        "project_name": "demo",
        "project_domain_id": "default",
    }
    assert cloud["auth"]["auth_url"].endswith("/identity/v3")
    assert "password" not in json.dumps(cloud)


def test_only_administrators_see_the_way_to_the_admin(member, admin):
    link = f'href="{reverse("admin:index")}"'

    assert link not in member.get(OVERVIEW).content.decode()
    assert link in admin.get(OVERVIEW).content.decode()


def test_pages_may_load_from_this_origin_only(member, admin):
    assert member.get(OVERVIEW)["Content-Security-Policy"] == POLICY
    assert Client().get(LOGIN)["Content-Security-Policy"] == POLICY
    assert admin.get(reverse("admin:index"))["Content-Security-Policy"] == POLICY
    assert "unsafe" not in POLICY


@pytest.mark.parametrize("path", ["/api/docs/", "/api/docs/redoc/"])
def test_documentation_loads_from_this_origin_only_too(client, path):
    policy = client.get(path)["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "http" not in policy

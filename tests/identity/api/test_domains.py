"""Domains over the API: made, changed, disabled, and deleted with what is in them."""

import pytest
from django.conf import settings
from django.test import Client
from rest_framework.test import APIClient

from identity import delete
from identity.models import (
    Domain,
    Group,
    Membership,
    Project,
    RoleAssignment,
    RoleGrant,
    User,
)
from tests.identity.conftest import PASSWORD

V3 = "/identity/v3"
DOMAINS = f"{V3}/domains"
BASE = f"{settings.PUBLIC_URL}{V3}"


@pytest.fixture
def by_admin(admin, client_of):
    return client_of(admin)


@pytest.fixture
def lab(db):
    return Domain.objects.create(name="lab")


@pytest.fixture
def lara(lab, roles):
    """A member of a project of the domain `lab`."""
    project = Project.objects.create(name="bench", domain=lab)
    user = User.objects.create_user("lara", PASSWORD, domain=lab, default_project=project)
    RoleAssignment.objects.create(user=user, project=project, role=roles["member"])
    return user


def log_in(name, domain):
    user = {"name": name, "domain": domain, "password": PASSWORD}
    identity = {"methods": ["password"], "password": {"user": user}}
    return APIClient().post(f"{V3}/auth/tokens", {"auth": {"identity": identity}}, format="json")


def put(client, domain, **fields):
    return client.patch(f"{DOMAINS}/{domain.id}", {"domain": fields}, format="json")


def test_one_is_made_shown_changed_and_deleted(by_admin):
    body = {"name": "lab", "description": "Trials", "tags": ["red"], "options": {}}
    made = by_admin.post(DOMAINS, {"domain": body}, format="json")
    domain = made.json()["domain"]
    path = f"{DOMAINS}/{domain['id']}"

    assert made.status_code == 201
    assert domain == {
        "id": domain["id"],
        "name": "lab",
        "description": "Trials",
        "enabled": True,
        "options": {},
        "tags": ["red"],
        "links": {"self": f"{BASE}/domains/{domain['id']}"},
    }
    assert by_admin.get(path).json() == {"domain": domain}
    assert by_admin.get(f"{DOMAINS}?name=lab").json()["domains"] == [domain]
    changed = by_admin.patch(path, {"domain": {"description": None, "tags": []}}, format="json")
    assert changed.json()["domain"] == {**domain, "description": "", "tags": []}
    assert by_admin.patch(path, {"domain": {"enabled": False}}, format="json").status_code == 200
    assert by_admin.delete(path).status_code == 204
    assert by_admin.get(path).status_code == 404
    assert by_admin.delete(path).status_code == 404


def test_a_name_is_taken_once(by_admin, lab):
    assert by_admin.post(DOMAINS, {"domain": {"name": "lab"}}, format="json").status_code == 409
    assert put(by_admin, lab, name="Default").status_code == 409
    assert put(by_admin, lab, name="lab").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "x" * 65},
        {"name": "a", "enabled": "no"},
        {"name": "a", "tags": ["a/b"]},
        {"name": "a", "unknown": 1},
    ],
)
def test_a_malformed_one_is_a_400(by_admin, body):
    assert by_admin.post(DOMAINS, {"domain": body}, format="json").status_code == 400


def test_only_administrators_make_change_and_delete(member, reader, client_of, lab):
    for client in (client_of(member), client_of(reader)):
        assert client.post(DOMAINS, {"domain": {"name": "x"}}, format="json").status_code == 403
        assert put(client, lab, enabled=False).status_code == 403
        assert client.delete(f"{DOMAINS}/{lab.id}").status_code == 403
    assert APIClient().delete(f"{DOMAINS}/{lab.id}").status_code == 401


def test_the_list_is_narrowed(by_admin, domain, lab):
    def listed(query):
        return [each["name"] for each in by_admin.get(f"{DOMAINS}?{query}").json()["domains"]]

    lab.enabled = False
    lab.save()

    assert listed("") == ["Default", "lab"]
    assert listed("enabled=true") == ["Default"]
    assert listed("enabled=0") == ["lab"]
    assert listed("name=nothing") == []


def test_an_enabled_one_is_not_deleted(by_admin, lab):
    refused = by_admin.delete(f"{DOMAINS}/{lab.id}")

    assert refused.status_code == 403
    assert refused.json()["error"]["message"] == (
        "Cannot delete the domain lab: it is enabled, please disable it first."
    )


def test_the_default_one_stays(by_admin, domain):
    assert put(by_admin, domain, enabled=False).status_code == 403
    assert by_admin.delete(f"{DOMAINS}/default").status_code == 403
    assert put(by_admin, domain, description="The first").status_code == 200
    assert Domain.objects.get(pk="default").enabled


def test_all_that_is_in_it_goes_with_it(by_admin, lab, lara, member, demo, roles):
    group = Group.objects.create(name="team", domain=lab)
    Membership.objects.create(group=group, user=member)
    RoleAssignment.objects.create(user=lara, project=demo, role=roles["reader"])
    RoleGrant.objects.create(group=group, project=demo, role=roles["reader"])
    RoleGrant.objects.create(user=member, domain=lab, role=roles["reader"], is_inherited=True)
    put(by_admin, lab, enabled=False)

    assert by_admin.delete(f"{DOMAINS}/{lab.id}").status_code == 204

    for kind in (Project, User, Group):
        assert not kind.objects.filter(domain_id=lab.id).exists()
    assert not RoleGrant.objects.exists()
    assert not RoleAssignment.objects.filter(role=roles["reader"]).exists()
    assert User.objects.filter(pk=member.pk).exists()


def test_one_with_a_project_that_is_not_empty_stays_whole(by_admin, lab, lara, monkeypatch):
    put(by_admin, lab, enabled=False)
    monkeypatch.setattr(delete, "_holders", [lambda project_id: "2 servers"])

    refused = by_admin.delete(f"{DOMAINS}/{lab.id}")

    assert refused.status_code == 409
    assert refused.json()["error"]["message"] == (
        "The domain lab still has projects that cannot be deleted: bench has 2 servers."
    )
    assert User.objects.filter(pk=lara.pk).exists()


def test_users_of_a_disabled_one_are_out(by_admin, client_of, lab, lara):
    client = client_of(lara)
    page = Client()
    assert page.login(username="lara", password=PASSWORD, domain=lab.id)
    assert client.get(f"{V3}/auth/projects").status_code == 200
    assert log_in("lara", {"name": "lab"}).status_code == 201

    put(by_admin, lab, enabled=False)

    assert client.get(f"{V3}/auth/projects").status_code == 401
    assert log_in("lara", {"name": "lab"}).status_code == 401
    assert page.get("/")["Location"].startswith("/login/")
    put(by_admin, lab, enabled=True)
    assert client.get(f"{V3}/auth/projects").status_code == 401
    assert log_in("lara", {"id": lab.id}).status_code == 201


def test_the_projects_of_a_disabled_one_are_closed_to_others(
    by_admin, client_of, member, lab, lara, roles
):
    project = lara.default_project
    RoleAssignment.objects.create(user=member, project=project, role=roles["reader"])
    client = client_of(member, project)
    assert client.get("/compute/v2.1/servers").status_code == 200

    put(by_admin, lab, enabled=False)

    assert client.get("/compute/v2.1/servers").status_code == 401


def test_the_same_names_in_two_domains_are_kept_apart(by_admin, member, demo, lab, roles):
    for path, key, name in (("projects", "project", "demo"), ("users", "user", "mia")):
        body = {key: {"name": name, "domain_id": lab.id}}
        made = by_admin.post(f"{V3}/{path}", body, format="json")
        listed = by_admin.get(f"{V3}/{path}?name={name}&domain_id={lab.id}").json()[path]
        assert made.status_code == 201
        assert [each["id"] for each in listed] == [made.json()[key]["id"]]
    group = by_admin.post(
        f"{V3}/groups", {"group": {"name": "team", "domain_id": lab.id}}, format="json"
    )
    assert by_admin.get(f"{V3}/groups?domain_id={lab.id}").json()["groups"] == [
        group.json()["group"]
    ]
    assert by_admin.get(f"{V3}/groups?domain_id=default").json()["groups"] == []


def test_the_admin_pages_keep_the_same_rules(admin, domain, lab, lara):
    User.objects.filter(pk=admin.pk).update(is_staff=True, is_superuser=True)
    page = Client()
    page.force_login(User.objects.get(pk=admin.pk))
    base = "/admin/identity/domain"
    fields = {"name": "lab", "description": "", "enabled": "", "tags": "[]"}
    before = lara.tokens_valid_from

    page.post(f"{base}/{lab.id}/delete/", {"post": "yes"})
    assert Domain.objects.filter(pk=lab.pk).exists()
    page.post(f"{base}/{lab.id}/change/", fields)
    lara.refresh_from_db()
    assert lara.tokens_valid_from > before
    page.post(f"{base}/default/change/", {**fields, "name": "Default"})
    assert Domain.objects.get(pk="default").enabled
    page.post(f"{base}/{lab.id}/delete/", {"post": "yes"})
    assert not Domain.objects.filter(pk=lab.pk).exists()

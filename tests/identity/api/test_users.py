"""Users over the API."""

import pytest
from django.conf import settings

from identity.models import User
from tests.identity.conftest import PASSWORD

BASE = f"{settings.PUBLIC_URL}/identity/v3"
USERS = "/identity/v3/users"


def form(user, **changes):
    return {
        "id": user.id,
        "name": user.name,
        "domain_id": "default",
        "enabled": True,
        "password_expires_at": None,
        "options": {},
        "links": {"self": f"{BASE}/users/{user.id}"},
        **changes,
    }


@pytest.fixture
def by_admin(admin, client_of):
    return client_of(admin)


@pytest.fixture
def by_member(member, client_of):
    return client_of(member)


def can_log_in(client, user, password):
    body = {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"id": user.id, "password": password}},
            }
        }
    }
    path = "/identity/v3/auth/tokens"
    return client.post(path, body, format="json").status_code == 201


def test_admin_lists_and_finds_users(by_admin, admin, member, demo, other):
    body = by_admin.get(USERS).json()
    named = by_admin.get(f"{USERS}?name=mia&domain_id=default&enabled=1").json()

    assert body["users"] == [
        form(admin, default_project_id=other.id),
        form(member, default_project_id=demo.id),
    ]
    assert body["links"] == {"self": f"{BASE}/users", "previous": None, "next": None}
    assert [user["name"] for user in named["users"]] == ["mia"]
    assert by_admin.get(f"{USERS}/mia").status_code == 404


def test_one_may_read_oneself_only(by_member, member, admin, demo):
    own = by_member.get(f"{USERS}/{member.id}")

    assert own.json() == {"user": form(member, default_project_id=demo.id)}
    assert by_member.get(f"{USERS}/{admin.id}").status_code == 403
    assert by_member.get(f"{USERS}/nobody").status_code == 403
    assert by_member.get(USERS).status_code == 403


def test_only_admins_create_change_and_delete(by_member, member):
    body = {"user": {"name": "eve", "password": PASSWORD}}

    assert by_member.post(USERS, body, format="json").status_code == 403
    assert by_member.patch(f"{USERS}/{member.id}", body, format="json").status_code == 403
    assert by_member.delete(f"{USERS}/{member.id}").status_code == 403


def test_create_answers_the_user_without_the_password(by_admin, demo):
    body = {
        "user": {
            "name": "nia",
            "password": PASSWORD,
            "email": "nia@example.org",
            "description": "New here",
            "default_project_id": demo.id,
            "enabled": True,
        }
    }

    response = by_admin.post(USERS, body, format="json")

    user = User.objects.get(name="nia")
    assert response.status_code == 201
    assert response.json()["user"] == form(
        user, email="nia@example.org", description="New here", default_project_id=demo.id
    )
    assert can_log_in(by_admin, user, PASSWORD)


def test_a_user_without_a_password_cannot_log_in(by_admin):
    by_admin.post(USERS, {"user": {"name": "nia"}}, format="json")

    assert not can_log_in(by_admin, User.objects.get(name="nia"), "")


@pytest.mark.parametrize(
    ("user", "status"),
    [
        ({}, 400),
        ({"name": ""}, 400),
        ({"name": "a", "password": "short"}, 400),
        ({"name": "a", "unknown": 1}, 400),
        ({"name": "a", "default_project_id": "nowhere"}, 400),
        ({"name": "a", "domain_id": "nowhere"}, 400),
        ({"name": "a", "options": {"lock_password": True}}, 400),
        ({"name": "ada"}, 409),
    ],
)
def test_a_bad_user_is_refused(by_admin, user, status):
    response = by_admin.post(USERS, {"user": user}, format="json")

    assert response.status_code == status
    assert response.json()["error"]["code"] == status


def test_disabling_ends_tokens_for_good(by_admin, by_member, member):
    by_admin.patch(f"{USERS}/{member.id}", {"user": {"enabled": False}}, format="json")
    by_admin.patch(f"{USERS}/{member.id}", {"user": {"enabled": True}}, format="json")

    assert by_member.get(f"{USERS}/{member.id}").status_code == 401
    assert can_log_in(by_admin, member, PASSWORD)


def test_update_changes_what_it_names(by_admin, member):
    body = {"user": {"email": "mia@example.org", "default_project_id": None, "name": "mia2"}}

    response = by_admin.patch(f"{USERS}/{member.id}", body, format="json")

    member.name = "mia2"
    assert response.json()["user"] == form(member, email="mia@example.org")


def test_one_changes_ones_password_by_the_old_one(by_member, member):
    path = f"{USERS}/{member.id}/password"
    new = "another horse 2"

    def change(original, password):
        body = {"user": {"original_password": original, "password": password}}
        return by_member.post(path, body, format="json").status_code

    assert change("wrong", new) == 401
    assert change(PASSWORD, "short") == 400
    assert change(PASSWORD, new) == 204
    assert by_member.get(f"{USERS}/{member.id}").status_code == 401
    assert can_log_in(by_member, member, new)
    assert not can_log_in(by_member, member, PASSWORD)


def test_delete_ends_the_user_and_its_tokens(by_admin, by_member, member):
    response = by_admin.delete(f"{USERS}/{member.id}")

    assert (response.status_code, response.content) == (204, b"")
    assert by_member.get(f"{USERS}/{member.id}").status_code == 401


def test_projects_of_a_user(by_admin, by_member, member, admin, demo):
    for client in (by_admin, by_member):
        body = client.get(f"{USERS}/{member.id}/projects").json()
        assert [project["id"] for project in body["projects"]] == [demo.id]
    assert by_member.get(f"{USERS}/{admin.id}/projects").status_code == 403


def test_groups_of_a_user_are_none(by_member, member):
    assert by_member.get(f"{USERS}/{member.id}/groups").json()["groups"] == []

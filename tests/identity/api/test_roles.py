"""Roles, grants and assignments over the API."""

import pytest
from django.conf import settings

from identity.models import Role

BASE = f"{settings.PUBLIC_URL}/identity/v3"
ROLES = "/identity/v3/roles"
ASSIGNMENTS = "/identity/v3/role_assignments"
DEFAULT = {"id": "default", "name": "Default"}


@pytest.fixture
def by_admin(admin, client_of):
    return client_of(admin)


@pytest.fixture
def by_member(member, client_of):
    return client_of(member)


def grant_path(project, user, role=None):
    path = f"/identity/v3/projects/{project.id}/users/{user.id}/roles"
    return f"{path}/{role.id}" if role else path


def test_admin_lists_shows_and_finds_roles(by_admin, roles):
    member = roles["member"]
    entry = {
        "id": member.id,
        "name": "member",
        "domain_id": None,
        "description": None,
        "options": {},
        "links": {"self": f"{BASE}/roles/{member.id}"},
    }

    names = [role["name"] for role in by_admin.get(ROLES).json()["roles"]]

    assert names == ["admin", "manager", "member", "reader", "service"]
    assert by_admin.get(f"{ROLES}?name=member").json()["roles"] == [entry]
    assert by_admin.get(f"{ROLES}?domain_id=default").json()["roles"] == []
    assert by_admin.get(f"{ROLES}/{member.id}").json() == {"role": entry}
    assert by_admin.get(f"{ROLES}/member").status_code == 404


def test_roles_are_made_changed_and_deleted(by_admin):
    made = by_admin.post(ROLES, {"role": {"name": "auditor"}}, format="json")
    path = f"{ROLES}/{made.json()['role']['id']}"
    again = by_admin.post(ROLES, {"role": {"name": "auditor"}}, format="json")
    changed = by_admin.patch(path, {"role": {"description": "Looks"}}, format="json")
    deleted = by_admin.delete(path)

    assert made.status_code == 201
    assert again.status_code == 409
    assert changed.json()["role"]["description"] == "Looks"
    assert deleted.status_code == 204
    assert not Role.objects.filter(name="auditor").exists()


def test_built_in_roles_keep_their_names(by_admin, roles):
    path = f"{ROLES}/{roles['admin'].id}"

    assert by_admin.patch(path, {"role": {"name": "root"}}, format="json").status_code == 403
    assert by_admin.delete(path).status_code == 403


def test_members_neither_see_nor_give_roles(by_member, member, demo, roles):
    grant = grant_path(demo, member, roles["admin"])

    assert by_member.get(ROLES).status_code == 403
    assert by_member.get(f"{ROLES}/{roles['member'].id}").status_code == 403
    assert by_member.post(ROLES, {"role": {"name": "x"}}, format="json").status_code == 403
    assert by_member.put(grant).status_code == 403
    assert by_member.get(grant).status_code == 403
    assert by_member.delete(grant).status_code == 403
    assert by_member.get(grant_path(demo, member)).status_code == 403
    assert by_member.get(ASSIGNMENTS).status_code == 403


def test_a_grant_is_given_checked_listed_and_taken_back(by_admin, member, other, roles):
    grant = grant_path(other, member, roles["reader"])

    assert by_admin.head(grant).status_code == 404
    assert by_admin.put(grant).status_code == 204
    assert by_admin.put(grant).status_code == 204
    assert by_admin.head(grant).status_code == 204
    listed = by_admin.get(grant_path(other, member)).json()["roles"]
    assert [role["name"] for role in listed] == ["reader"]
    assert by_admin.delete(grant).status_code == 204
    assert by_admin.delete(grant).status_code == 404


def test_a_grant_of_nothing_is_a_404(by_admin, member, demo, roles):
    unknown = grant_path(demo, member, roles["reader"]).replace(member.id, "nobody")

    assert by_admin.put(unknown).status_code == 404


def entry(user, project, role, prior=None):
    links = {"assignment": f"{BASE}{grant_path(project, user, prior or role)[12:]}"}
    if prior:
        links["prior_role"] = f"{BASE}/prior_roles/{prior.id}/implies/{role.id}"
    return {
        "role": {"id": role.id},
        "user": {"id": user.id},
        "scope": {"project": {"id": project.id}},
        "links": links,
    }


def test_assignments_are_listed_and_narrowed(by_admin, admin, member, demo, other, roles):
    hers = entry(admin, other, roles["admin"])
    his = entry(member, demo, roles["member"])

    def listed(query=""):
        return by_admin.get(f"{ASSIGNMENTS}?{query}").json()["role_assignments"]

    assert sorted(listed(), key=str) == sorted([hers, his], key=str)
    assert listed(f"user.id={member.id}") == [his]
    assert listed(f"scope.project.id={other.id}") == [hers]
    assert listed(f"role.id={roles['member'].id}") == [his]
    for nothing in ("group.id=x", "scope.system=all", "scope.domain.id=default"):
        assert listed(nothing) == []


def test_effective_assignments_hold_the_implied_roles(by_admin, member, demo, roles):
    body = by_admin.get(f"{ASSIGNMENTS}?user.id={member.id}&effective").json()

    assert body["role_assignments"] == [
        entry(member, demo, roles["member"]),
        entry(member, demo, roles["reader"], prior=roles["member"]),
    ]


def test_assignments_with_names(by_admin, member, demo, roles):
    body = by_admin.get(f"{ASSIGNMENTS}?user.id={member.id}&include_names=True").json()

    assert body["role_assignments"] == [
        {
            "role": {"id": roles["member"].id, "name": "member"},
            "user": {"id": member.id, "name": "mia", "domain": DEFAULT},
            "scope": {"project": {"id": demo.id, "name": "demo", "domain": DEFAULT}},
            "links": {"assignment": f"{BASE}{grant_path(demo, member, roles['member'])[12:]}"},
        }
    ]


def test_services_endpoints_and_regions_mirror_the_catalog(by_admin, by_member):
    services = by_admin.get("/identity/v3/services").json()["services"]
    compute = by_admin.get("/identity/v3/services?type=compute").json()["services"][0]
    endpoints = by_admin.get(
        f"/identity/v3/endpoints?service_id={compute['id']}&interface=public"
    ).json()["endpoints"]

    assert {service["type"] for service in services} == {
        "identity",
        "compute",
        "image",
        "network",
        "block-storage",
        "volumev3",
    }
    assert compute == {
        "id": compute["id"],
        "type": "compute",
        "name": "nova",
        "enabled": True,
        "links": {"self": f"{BASE}/services/{compute['id']}"},
    }
    assert endpoints == [
        {
            "id": endpoints[0]["id"],
            "service_id": compute["id"],
            "interface": "public",
            "region": "RegionOne",
            "region_id": "RegionOne",
            "url": f"{settings.PUBLIC_URL}/compute/v2.1",
            "enabled": True,
            "links": {"self": f"{BASE}/endpoints/{endpoints[0]['id']}"},
        }
    ]
    assert by_admin.get(f"/identity/v3/services/{compute['id']}").json()["service"] == compute
    assert by_admin.get("/identity/v3/services/compute").status_code == 404
    assert by_admin.get(f"/identity/v3/endpoints/{endpoints[0]['id']}").status_code == 200
    assert by_member.get("/identity/v3/services").status_code == 403
    assert by_member.get("/identity/v3/endpoints").status_code == 403
    regions = by_member.get("/identity/v3/regions").json()["regions"]
    assert [region["id"] for region in regions] == ["RegionOne"]
    assert by_member.get("/identity/v3/regions/RegionOne").status_code == 200

"""Implied roles and the roles of domains: who has what by them, and what they may not be."""

import pytest
from django.conf import settings
from rest_framework.test import APIClient

from identity.bootstrap import ensure_domain_and_roles
from identity.models import (
    BUILT_IN_IMPLICATIONS,
    Domain,
    ImpliedRole,
    Project,
    Role,
    RoleAssignment,
    RoleGrant,
)
from identity.sessions import actor_for
from tests.identity.conftest import PASSWORD

V3 = "/identity/v3"
ROLES = f"{V3}/roles"
BASE = f"{settings.PUBLIC_URL}{V3}"


@pytest.fixture
def by_admin(admin, client_of):
    return client_of(admin)


@pytest.fixture
def nia(make_user):
    return make_user("nia")


@pytest.fixture
def auditor(roles):
    """A role that implies reader."""
    role = Role.objects.create(name="auditor")
    ImpliedRole.objects.create(prior=role, implied=roles["reader"])
    return role


@pytest.fixture
def lab(db):
    return Domain.objects.create(name="lab")


def form(role):
    return {
        "id": role.id,
        "name": role.name,
        "domain_id": role.domain_id,
        "description": None,
        "options": {},
        "links": {"self": f"{BASE}/roles/{role.id}"},
    }


def path(prior, implied=None):
    return "/".join([ROLES, prior.id, "implies", *([implied.id] if implied else [])])


def log_in(user, project):
    password = {"user": {"id": user.id, "password": PASSWORD}}
    scope = {"project": {"id": project.id}}
    auth = {"identity": {"methods": ["password"], "password": password}, "scope": scope}
    return APIClient().post(f"{V3}/auth/tokens", {"auth": auth}, format="json")


def role_names(response):
    return sorted(role["name"] for role in response.json()["token"]["roles"])


def test_an_implication_is_made_seen_and_taken_back(by_admin, roles):
    prior = Role.objects.create(name="auditor")
    one = path(prior, roles["reader"])

    assert by_admin.head(one).status_code == 404
    made = by_admin.put(one)
    assert made.status_code == 201
    assert made.json() == {
        "role_inference": {"prior_role": form(prior), "implies": form(roles["reader"])},
        "links": {"self": f"{BASE}{one.removeprefix(V3)}"},
    }
    assert by_admin.put(one).status_code == 201
    assert by_admin.get(one).json() == made.json()
    assert by_admin.head(one).status_code == 204
    assert by_admin.get(path(prior)).json() == {
        "role_inference": {"prior_role": form(prior), "implies": [form(roles["reader"])]},
        "links": {"self": f"{BASE}{path(prior).removeprefix(V3)}"},
    }
    assert by_admin.get(f"{V3}/role_inferences").json()["role_inferences"] == [
        {"prior_role": form(prior), "implies": [form(roles["reader"])]}
    ]
    assert by_admin.delete(one).status_code == 204
    missing = by_admin.delete(one)
    assert missing.status_code == 404
    assert missing.json()["error"]["message"] == (
        f"{prior.id} does not imply {roles['reader'].id}."
    )
    assert by_admin.put(path(prior, Role(id="nothing"))).status_code == 404


def test_only_administrators_see_and_change_them(member, reader, client_of, auditor, roles):
    one = path(auditor, roles["reader"])
    for client in (client_of(member), client_of(reader)):
        for address in (one, path(auditor), f"{V3}/role_inferences"):
            assert client.get(address).status_code == 403
        assert client.put(one).status_code == 403
        assert client.delete(one).status_code == 403
    assert APIClient().get(f"{V3}/role_inferences").status_code == 401


def test_the_built_in_ones_are_there_and_stay(db, by_admin, roles):
    ensure_domain_and_roles()
    ensure_domain_and_roles()

    body = by_admin.get(f"{V3}/role_inferences").json()["role_inferences"]

    found = {
        (each["prior_role"]["name"], implied["name"])
        for each in body
        for implied in each["implies"]
    }
    assert found == set(BUILT_IN_IMPLICATIONS)
    for prior, implied in BUILT_IN_IMPLICATIONS:
        assert by_admin.delete(path(roles[prior], roles[implied])).status_code == 403
    assert ImpliedRole.objects.count() == len(BUILT_IN_IMPLICATIONS)


def test_what_may_not_be_implied(by_admin, auditor, roles, lab):
    of_lab = Role.objects.create(name="hand", domain=lab)
    of_other = Role.objects.create(name="hand", domain=Domain.objects.create(name="other"))

    for prior, implied in (
        (auditor, roles["admin"]),
        (auditor, auditor),
        (auditor, of_lab),
        (of_lab, of_other),
    ):
        refused = by_admin.put(path(prior, implied))
        assert refused.status_code == 403
        assert "cannot be an implied role" in refused.json()["error"]["message"]
    assert ImpliedRole.objects.count() == 1


def test_tokens_carry_what_is_implied_at_any_remove(
    nia, demo, auditor, roles, client_of, django_assert_num_queries
):
    chief = Role.objects.create(name="chief")
    ImpliedRole.objects.create(prior=chief, implied=auditor)
    ImpliedRole.objects.create(prior=auditor, implied=chief)
    RoleAssignment.objects.create(user=nia, project=demo, role=chief)

    response = log_in(nia, demo)
    client = client_of(nia, demo)

    assert role_names(response) == ["auditor", "chief", "reader"]
    with django_assert_num_queries(1):
        assert client.get(f"{V3}/auth/catalog").status_code == 200
    assert client.get("/compute/v2.1/servers").status_code == 200
    assert actor_for(nia, demo.id).roles == {"auditor", "chief", "reader"}
    ImpliedRole.objects.filter(implied=roles["reader"]).delete()
    assert client.get("/compute/v2.1/servers").status_code == 403


def test_what_the_built_in_roles_imply_beyond_themselves_is_had_too(nia, demo, auditor):
    ensure_domain_and_roles()
    extra = Role.objects.create(name="extra")
    ImpliedRole.objects.create(prior=Role.objects.get(name="reader"), implied=extra)
    RoleAssignment.objects.create(user=nia, project=demo, role=Role.objects.get(name="manager"))

    assert role_names(log_in(nia, demo)) == ["extra", "manager", "member", "reader"]


def test_effective_assignments_follow_them(by_admin, nia, demo, auditor, roles):
    RoleAssignment.objects.create(user=nia, project=demo, role=auditor)

    address = f"{V3}/role_assignments?effective&include_names&user.id={nia.id}"
    found = by_admin.get(address).json()["role_assignments"]

    assert [entry["role"]["name"] for entry in found] == ["auditor", "reader"]
    assert found[1]["links"]["prior_role"] == (
        f"{BASE}/prior_roles/{auditor.id}/implies/{roles['reader'].id}"
    )


def test_an_application_credential_has_what_its_role_implies(nia, demo, auditor, client_of):
    RoleAssignment.objects.create(user=nia, project=demo, role=auditor)
    body = {"application_credential": {"name": "ci", "roles": [{"name": "auditor"}]}}
    made = client_of(nia, demo).post(
        f"{V3}/users/{nia.id}/application_credentials", body, format="json"
    )
    shown = {key: made.json()["application_credential"][key] for key in ("id", "secret")}
    identity = {"methods": ["application_credential"], "application_credential": shown}

    response = APIClient().post(f"{V3}/auth/tokens", {"auth": {"identity": identity}}, "json")

    assert role_names(response) == ["auditor", "reader"]


def test_a_role_of_a_domain_is_listed_with_its_domain_only(by_admin, lab, roles):
    body = {"role": {"name": "member", "domain_id": lab.id}}
    made = by_admin.post(ROLES, body, format="json")
    role = made.json()["role"]

    assert made.status_code == 201
    assert role["domain_id"] == lab.id
    assert by_admin.post(ROLES, body, format="json").status_code == 409
    assert by_admin.get(f"{ROLES}?domain_id={lab.id}").json()["roles"] == [role]
    assert [each["id"] for each in by_admin.get(f"{ROLES}?name=member").json()["roles"]] == [
        roles["member"].id
    ]
    assert by_admin.get(f"{ROLES}/{role['id']}").json() == {"role": role}
    moved = by_admin.patch(f"{ROLES}/{role['id']}", {"role": {"domain_id": "default"}}, "json")
    assert moved.status_code == 400
    renamed = by_admin.patch(f"{ROLES}/{role['id']}", {"role": {"name": "hand"}}, "json")
    assert renamed.json()["role"]["name"] == "hand"
    assert by_admin.delete(f"{ROLES}/{role['id']}").status_code == 204
    nowhere = {"role": {"name": "x", "domain_id": "nowhere"}}
    assert by_admin.post(ROLES, nowhere, format="json").status_code == 400


def test_a_role_of_a_domain_gives_only_what_it_implies(
    by_admin, nia, domain, demo, roles, client_of
):
    """Whatever it is called: one called admin is no admin."""
    role = Role.objects.create(name="admin", domain=domain)
    RoleAssignment.objects.create(user=nia, project=demo, role=role)
    assert log_in(nia, demo).status_code == 401

    ImpliedRole.objects.create(prior=role, implied=roles["reader"])

    response = log_in(nia, demo)
    assert role_names(response) == ["reader"]
    client = client_of(nia, demo)
    assert client.get("/compute/v2.1/os-hypervisors").status_code == 403
    assert client.get(f"{V3}/users").status_code == 403
    address = f"{V3}/role_assignments?user.id={nia.id}&include_names"
    [plain] = by_admin.get(address).json()["role_assignments"]
    assert plain["role"] == {
        "id": role.id,
        "name": "admin",
        "domain": {"id": "default", "name": "Default"},
    }
    [effective] = by_admin.get(f"{address}&effective").json()["role_assignments"]
    assert effective["role"] == {"id": roles["reader"].id, "name": "reader"}


@pytest.mark.parametrize("place", ["projects/{project}", "domains/{domain}"])
@pytest.mark.parametrize("holder", ["users", "groups"])
def test_a_role_of_a_domain_is_given_there_only(by_admin, nia, demo, domain, lab, place, holder):
    role = Role.objects.create(name="hand", domain=lab)
    inside = Project.objects.create(name="bench", domain=lab)
    holder_id = nia.id
    if holder == "groups":
        made = by_admin.post(f"{V3}/groups", {"group": {"name": "team"}}, format="json")
        holder_id = made.json()["group"]["id"]

    def give(project, domain):
        at = place.format(project=project.id, domain=domain.id)
        return by_admin.put(f"{V3}/{at}/{holder}/{holder_id}/roles/{role.id}").status_code

    assert give(demo, domain) == 403
    assert not RoleGrant.objects.exists()
    assert give(inside, lab) == 204


def test_the_roles_of_a_domain_go_with_it(by_admin, lab):
    Role.objects.create(name="hand", domain=lab)
    Domain.objects.filter(pk=lab.pk).update(enabled=False)

    assert by_admin.delete(f"{V3}/domains/{lab.id}").status_code == 204
    assert not Role.objects.filter(name="hand").exists()

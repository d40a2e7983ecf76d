"""Groups, who is in them, and the roles that come by groups and domains."""

import pytest
from django.conf import settings
from rest_framework.test import APIClient

from identity.models import Domain, Group, Membership, Project, RoleAssignment, RoleGrant
from identity.sessions import actor_for, projects_of
from tests.identity.conftest import PASSWORD

V3 = "/identity/v3"
GROUPS = f"{V3}/groups"
BASE = f"{settings.PUBLIC_URL}{V3}"
TOKENS = f"{V3}/auth/tokens"


@pytest.fixture
def by_admin(admin, client_of):
    return client_of(admin)


@pytest.fixture
def by_member(member, client_of):
    return client_of(member)


@pytest.fixture
def nia(make_user):
    return make_user("nia")


@pytest.fixture
def team(domain, nia):
    group = Group.objects.create(name="team", domain=domain)
    Membership.objects.create(group=group, user=nia)
    return group


def log_in(user, scope):
    password = {"user": {"id": user.id, "password": PASSWORD}}
    auth = {"identity": {"methods": ["password"], "password": password}, "scope": scope}
    return APIClient().post(TOKENS, {"auth": auth}, format="json")


def role_names(response):
    return sorted(role["name"] for role in response.json()["token"]["roles"])


def with_token(response):
    client = APIClient()
    client.credentials(HTTP_X_AUTH_TOKEN=response["X-Subject-Token"])
    return client


def test_groups_are_made_shown_changed_and_deleted(by_admin, domain):
    made = by_admin.post(
        GROUPS, {"group": {"name": "ops", "description": "On call"}}, format="json"
    )
    group = made.json()["group"]
    path = f"{GROUPS}/{group['id']}"

    assert made.status_code == 201
    assert group == {
        "id": group["id"],
        "name": "ops",
        "domain_id": "default",
        "description": "On call",
        "links": {"self": f"{BASE}/groups/{group['id']}"},
    }
    assert by_admin.get(path).json() == {"group": group}
    assert by_admin.get(f"{GROUPS}?name=ops").json()["groups"] == [group]
    assert by_admin.get(f"{GROUPS}?name=x").json()["groups"] == []
    again = by_admin.post(GROUPS, {"group": {"name": "ops"}}, format="json")
    assert again.status_code == 409
    elsewhere = by_admin.patch(path, {"group": {"domain_id": "x"}}, format="json")
    assert elsewhere.status_code == 400
    changed = by_admin.patch(path, {"group": {"name": "duty"}}, format="json")
    assert changed.json()["group"]["name"] == "duty"
    assert by_admin.delete(path).status_code == 204
    assert by_admin.get(path).status_code == 404


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "a", "x": 1}, {"name": "a" * 65}])
def test_a_bad_group_is_a_400(by_admin, body):
    assert by_admin.post(GROUPS, {"group": body}, format="json").status_code == 400


def test_members_come_and_go(by_admin, by_member, member, team, nia):
    path = f"{GROUPS}/{team.id}/users"

    assert by_admin.head(f"{path}/{member.id}").status_code == 404
    assert by_admin.put(f"{path}/{member.id}").status_code == 204
    assert by_admin.put(f"{path}/{member.id}").status_code == 204
    assert by_admin.head(f"{path}/{member.id}").status_code == 204
    users = by_admin.get(path).json()["users"]
    assert [user["name"] for user in users] == ["mia", "nia"]
    own = by_member.get(f"{V3}/users/{member.id}/groups").json()["groups"]
    assert [group["id"] for group in own] == [team.id]
    assert by_admin.delete(f"{path}/{member.id}").status_code == 204
    assert by_admin.delete(f"{path}/{member.id}").status_code == 404
    assert by_admin.put(f"{path}/nobody").status_code == 404


def test_only_administrators_manage_groups(by_member, reader, client_of, member, team, demo, roles):
    role = roles["admin"].id
    for client in (by_member, client_of(reader)):
        assert client.get(GROUPS).status_code == 403
        assert client.post(GROUPS, {"group": {"name": "x"}}, format="json").status_code == 403
        assert client.get(f"{GROUPS}/{team.id}").status_code == 403
        assert client.delete(f"{GROUPS}/{team.id}").status_code == 403
        assert client.put(f"{GROUPS}/{team.id}/users/{member.id}").status_code == 403
        for place in (f"projects/{demo.id}", "domains/default", "OS-INHERIT/domains/default"):
            end = "/inherited_to_projects" if place.startswith("OS") else ""
            for holder in (f"users/{member.id}", f"groups/{team.id}"):
                path = f"{V3}/{place}/{holder}/roles/{role}{end}"
                assert client.put(path).status_code == 403
                assert client.get(path).status_code == 403
                assert client.delete(path).status_code == 403
    assert client_of(reader).get(f"{V3}/users/{member.id}/groups").status_code == 403
    assert APIClient().get(GROUPS).status_code == 401
    assert not RoleGrant.objects.exists()


@pytest.mark.parametrize(
    "form",
    [
        "projects/{project}/groups/{group}/roles{role}",
        "domains/default/groups/{group}/roles{role}",
        "domains/default/users/{user}/roles{role}",
        "OS-INHERIT/domains/default/groups/{group}/roles{role}/inherited_to_projects",
        "OS-INHERIT/domains/default/users/{user}/roles{role}/inherited_to_projects",
    ],
)
def test_a_grant_is_given_checked_listed_and_taken_back(by_admin, team, nia, demo, roles, form):
    known = {"project": demo.id, "group": team.id, "user": nia.id}
    one = f"{V3}/{form.format(**known, role='/' + roles['reader'].id)}"
    many = f"{V3}/{form.format(**known, role='')}"

    assert by_admin.head(one).status_code == 404
    assert by_admin.put(one).status_code == 204
    assert by_admin.put(one).status_code == 204
    assert by_admin.head(one).status_code == 204
    assert [role["name"] for role in by_admin.get(many).json()["roles"]] == ["reader"]
    assert RoleGrant.objects.count() == 1
    assert by_admin.delete(one).status_code == 204
    assert by_admin.delete(one).status_code == 404
    assert by_admin.put(one.replace(roles["reader"].id, "nothing")).status_code == 404


def test_a_role_by_a_group_makes_tokens(team, nia, demo, roles, django_assert_num_queries):
    RoleGrant.objects.create(group=team, project=demo, role=roles["member"])

    response = log_in(nia, {"project": {"id": demo.id}})
    client = with_token(response)

    assert role_names(response) == ["member", "reader"]
    with django_assert_num_queries(1):
        assert client.get(f"{V3}/auth/catalog").status_code == 200
    assert [each["id"] for each in client.get(f"{V3}/auth/projects").json()["projects"]] == [
        demo.id
    ]
    assert projects_of(nia) == [demo]
    assert actor_for(nia, demo.id).roles == {"member", "reader"}
    assert client.get(f"{V3}/projects/{demo.id}").json()["project"]["name"] == "demo"
    Membership.objects.all().delete()
    assert client.get(f"{V3}/auth/catalog").status_code == 401
    assert actor_for(nia, demo.id).project_id is None


def test_roles_from_all_ways_add_up(team, nia, demo, roles):
    RoleAssignment.objects.create(user=nia, project=demo, role=roles["reader"])
    RoleGrant.objects.create(group=team, project=demo, role=roles["member"])
    RoleGrant.objects.create(user=nia, domain=demo.domain, role=roles["service"], is_inherited=True)

    response = log_in(nia, {"project": {"id": demo.id}})

    assert role_names(response) == ["member", "reader", "service"]


@pytest.mark.parametrize("by_group", [True, False])
def test_an_inherited_role_is_had_in_the_domains_projects_only(
    team, nia, demo, other, roles, by_group
):
    holder = {"group": team} if by_group else {"user": nia}
    apart = Domain.objects.create(name="apart")
    foreign = Project.objects.create(name="foreign", domain=apart)
    RoleGrant.objects.create(**holder, domain=demo.domain, role=roles["reader"], is_inherited=True)

    assert role_names(log_in(nia, {"project": {"id": demo.id}})) == ["reader"]
    assert role_names(log_in(nia, {"project": {"id": other.id}})) == ["reader"]
    assert log_in(nia, {"project": {"id": foreign.id}}).status_code == 401
    assert log_in(nia, {"domain": {"id": "default"}}).status_code == 401
    assert [project.name for project in projects_of(nia)] == ["demo", "other"]


@pytest.mark.parametrize("by_group", [True, False])
def test_a_role_in_a_domain_makes_tokens_of_the_domain(
    team, nia, demo, roles, domain, by_group, django_assert_num_queries
):
    holder = {"group": team} if by_group else {"user": nia}
    RoleGrant.objects.create(**holder, domain=domain, role=roles["admin"])

    response = log_in(nia, {"domain": {"name": "Default"}})
    client = with_token(response)

    token = response.json()["token"]
    assert token["domain"] == {"id": "default", "name": "Default"}
    assert "project" not in token
    assert "catalog" in token
    assert role_names(response) == ["admin", "manager", "member", "reader"]
    with django_assert_num_queries(1):
        assert client.get(f"{V3}/auth/catalog").status_code == 200
    assert [each["id"] for each in client.get(f"{V3}/auth/domains").json()["domains"]] == [
        "default"
    ]
    assert client.post(GROUPS, {"group": {"name": "x"}}, format="json").status_code == 201
    assert log_in(nia, {"project": {"id": demo.id}}).status_code == 401
    domain.enabled = False
    domain.save()
    assert client.get(f"{V3}/auth/catalog").status_code == 401


def test_a_token_of_a_domain_is_nothing_to_the_other_services(nia, roles, domain):
    RoleGrant.objects.create(user=nia, domain=domain, role=roles["admin"])
    client = with_token(log_in(nia, {"domain": {"id": "default"}}))

    assert client.get("/compute/v2.1/servers").status_code == 403
    assert client.get("/compute/v2.1/os-hypervisors").status_code == 403
    assert client.post("/compute/v2.1/servers", {}, format="json").status_code in {400, 403}


def test_assignments_of_every_kind_are_listed(by_admin, team, nia, demo, domain, roles):
    RoleGrant.objects.create(group=team, project=demo, role=roles["member"])
    RoleGrant.objects.create(group=team, domain=domain, role=roles["reader"], is_inherited=True)
    RoleGrant.objects.create(user=nia, domain=domain, role=roles["service"])

    def listed(query):
        body = by_admin.get(f"{V3}/role_assignments?{query}").json()
        return body["role_assignments"]

    of_group = listed(f"group.id={team.id}")
    assert of_group == [
        {
            "role": {"id": roles["member"].id},
            "group": {"id": team.id},
            "scope": {"project": {"id": demo.id}},
            "links": {
                "assignment": f"{BASE}/projects/{demo.id}/groups/{team.id}"
                f"/roles/{roles['member'].id}"
            },
        },
        {
            "role": {"id": roles["reader"].id},
            "group": {"id": team.id},
            "scope": {"domain": {"id": "default"}, "OS-INHERIT:inherited_to": "projects"},
            "links": {
                "assignment": f"{BASE}/OS-INHERIT/domains/default/groups/{team.id}"
                f"/roles/{roles['reader'].id}/inherited_to_projects"
            },
        },
    ]
    assert listed("scope.OS-INHERIT:inherited_to=projects") == of_group[1:]
    named = listed(f"user.id={nia.id}&include_names")
    assert [entry["scope"] for entry in named] == [{"domain": {"id": "default", "name": "Default"}}]
    assert len(listed("scope.domain.id=default")) == 2
    assert listed("scope.system=all") == []


def test_effective_assignments_are_of_users(by_admin, team, nia, demo, domain, roles):
    RoleGrant.objects.create(group=team, project=demo, role=roles["member"])
    RoleGrant.objects.create(group=team, domain=domain, role=roles["reader"], is_inherited=True)
    path = f"{V3}/role_assignments?effective&user.id={nia.id}"

    found = by_admin.get(f"{path}&scope.project.id={demo.id}").json()["role_assignments"]

    assert [(entry["user"]["id"], entry["role"]["id"]) for entry in found] == [
        (nia.id, roles["member"].id),
        (nia.id, roles["reader"].id),
        (nia.id, roles["reader"].id),
    ]
    assert found[0]["links"]["membership"] == f"{BASE}/groups/{team.id}/users/{nia.id}"
    assert found[1]["links"]["prior_role"].endswith(f"/implies/{roles['reader'].id}")
    assert found[2]["scope"]["OS-INHERIT:inherited_to"] == "projects"
    both = by_admin.get(f"{V3}/role_assignments?effective&group.id={team.id}")
    assert both.status_code == 400


@pytest.mark.parametrize("is_effective", ["", "effective"])
def test_assignments_take_the_same_queries_for_few_and_many(
    by_admin, team, make_user, domain, roles, django_assert_max_num_queries, is_effective
):
    RoleGrant.objects.create(group=team, domain=domain, role=roles["reader"], is_inherited=True)
    for number in range(10):
        project = Project.objects.create(name=f"p{number}", domain=domain)
        user = make_user(f"u{number}", project)
        Membership.objects.create(group=team, user=user)

    with django_assert_max_num_queries(6):
        by_admin.get(f"{V3}/role_assignments?{is_effective}&include_names")

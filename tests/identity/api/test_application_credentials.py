"""Application credentials: made, used to log in, limited and taken back."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.utils import timezone
from rest_framework.test import APIClient

from identity import application_credentials
from identity.models import AccessRule, ApplicationCredential, RoleAssignment
from tests.identity.conftest import PASSWORD

TOKENS = "/identity/v3/auth/tokens"
BASE = f"{settings.PUBLIC_URL}/identity/v3"


def path_of(user, *more):
    return "/".join([f"/identity/v3/users/{user.id}/application_credentials", *more])


def create(client, user, **body):
    wanted = {"application_credential": {"name": "backup", **body}}
    return client.post(path_of(user), wanted, format="json")


def log_in(shown, scope=None):
    auth = {
        "identity": {"methods": ["application_credential"], "application_credential": shown},
        **({"scope": scope} if scope else {}),
    }
    return APIClient().post(TOKENS, {"auth": auth}, format="json")


def client_with(made, **headers):
    shown = {"id": made["id"], "secret": made["secret"]}
    client = APIClient()
    client.credentials(HTTP_X_AUTH_TOKEN=log_in(shown)["X-Subject-Token"], **headers)
    return client


@pytest.fixture
def by_member(member, client_of):
    return client_of(member)


@pytest.fixture
def made(by_member, member):
    return create(by_member, member).json()["application_credential"]


def test_one_is_made_with_its_secret_shown_once(by_member, member, demo, roles):
    response = create(by_member, member, description="Nightly")

    form = response.json()["application_credential"]
    secret = form.pop("secret")
    shown = by_member.get(path_of(member, form["id"])).json()["application_credential"]
    assert response.status_code == 201
    assert len(secret) > 80
    assert sorted(role["name"] for role in form.pop("roles")) == ["member", "reader"]
    assert form == {
        "id": form["id"],
        "name": "backup",
        "description": "Nightly",
        "project_id": demo.id,
        "user_id": member.id,
        "system": None,
        "expires_at": None,
        "last_used_at": None,
        "unrestricted": False,
        "links": {"self": f"{BASE}{path_of(member, form['id'])[12:]}"},
    }
    assert "secret" not in shown
    assert secret not in ApplicationCredential.objects.get().secret_hash
    assert by_member.get(path_of(member)).json()["application_credentials"] == [shown]
    assert by_member.get(f"{path_of(member)}?name=x").json()["application_credentials"] == []


def test_login_by_id_and_secret(made, member, demo, roles):
    response = log_in({"id": made["id"], "secret": made["secret"]})

    token = response.json()["token"]
    assert response.status_code == 201
    assert token["methods"] == ["application_credential"]
    assert token["project"]["id"] == demo.id
    assert {role["name"] for role in token["roles"]} == {"member", "reader"}
    assert token["application_credential"] == {
        "id": made["id"],
        "name": "backup",
        "restricted": True,
    }


@pytest.mark.parametrize(
    "user", [{"name": "mia", "domain": {"id": "default"}}, {"id": "$id"}], ids=["name", "id"]
)
def test_login_by_name_and_user(made, member, user):
    if "id" in user:
        user = {"id": member.id}

    response = log_in({"name": "backup", "user": user, "secret": made["secret"]})

    assert response.status_code == 201


def test_empty_lists_as_the_command_sends_them_are_all_roles_and_no_rules(by_member, member):
    made = create(by_member, member, roles=[], access_rules=[]).json()["application_credential"]

    token = log_in({"id": made["id"], "secret": made["secret"]}).json()["token"]
    assert sorted(role["name"] for role in made["roles"]) == ["member", "reader"]
    assert "access_rules" not in token["application_credential"]


def test_a_chosen_secret_is_taken(by_member, member):
    made = create(by_member, member, secret="chosen").json()["application_credential"]

    assert log_in({"id": made["id"], "secret": "chosen"}).status_code == 201
    assert log_in({"id": made["id"], "secret": "Chosen"}).status_code == 401


def test_a_right_secret_is_hashed_once(made, monkeypatch):
    hashed = []

    def noting(secret, stored):
        hashed.append(secret)
        return check_password(secret, stored)

    monkeypatch.setattr(application_credentials, "check_password", noting)

    for secret in (made["secret"], made["secret"], "wrong", "wrong", made["secret"]):
        log_in({"id": made["id"], "secret": secret})

    assert hashed == [made["secret"], "wrong", "wrong"]


@pytest.mark.parametrize("scope", ["unscoped", {"project": {"id": "x"}}])
def test_no_scope_may_be_sent(made, scope):
    assert log_in({"id": made["id"], "secret": made["secret"]}, scope).status_code == 401


def test_it_comes_alone(made, member):
    identity = {
        "methods": ["application_credential", "password"],
        "application_credential": {"id": made["id"], "secret": made["secret"]},
        "password": {"user": {"id": member.id, "password": PASSWORD}},
    }

    response = APIClient().post(TOKENS, {"auth": {"identity": identity}}, format="json")

    assert response.status_code == 401


@pytest.mark.parametrize(
    "shown",
    [
        {"id": "nothing", "secret": "x"},
        {"name": "backup", "user": {"id": "nobody"}, "secret": "x"},
        {"name": "backup", "user": {"name": "mia", "domain": {"id": "x"}}, "secret": "x"},
    ],
)
def test_an_unknown_one_is_a_401(made, shown):
    assert log_in(shown).status_code == 401


@pytest.mark.parametrize("shown", [{"id": "x"}, {"name": "x", "secret": "y"}, {"secret": "y"}])
def test_a_malformed_login_is_a_400(db, shown):
    assert log_in(shown).status_code == 400


def test_roles_are_a_part_of_the_creators(by_member, member, roles):
    body = {"roles": [{"name": "reader"}]}
    made = create(by_member, member, **body).json()["application_credential"]

    token = log_in({"id": made["id"], "secret": made["secret"]}).json()["token"]

    assert [role["name"] for role in token["roles"]] == ["reader"]
    assert client_with(made).get("/compute/v2.1/servers").status_code == 200
    network = {"network": {"name": "x"}}
    refused = client_with(made).post("/network/v2.0/networks", network, format="json")
    assert refused.status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {"roles": [{"name": "admin"}]},
        {"roles": [{"id": "nothing"}]},
        {"roles": [{}]},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "tomorrow"},
        {"expires_at": "9999-12-31T23:59:59-23:59"},
        {"name": ""},
        {"access_rules": [{"id": "nothing"}]},
        {"access_rules": [{"service": "compute", "method": "GET"}]},
        {"access_rules": [{"service": "compute", "method": "TELL", "path": "/v2.1"}]},
        {"project_id": "another"},
        {"unknown": 1},
    ],
)
def test_a_bad_one_is_a_400(by_member, member, roles, body):
    response = create(by_member, member, **body)

    assert (response.status_code, response.json()["error"]["code"]) == (400, 400)
    assert not ApplicationCredential.objects.exists()


def test_an_unscoped_token_makes_none(member, client_of):
    assert create(client_of(member, None), member).status_code == 400


def test_the_name_is_unique_for_its_user(by_member, member, admin, client_of, made):
    assert create(by_member, member).status_code == 409
    assert create(client_of(admin), admin).status_code == 201


def test_who_may_do_what(made, member, reader, admin, client_of):
    one, rules = path_of(member, made["id"]), f"/identity/v3/users/{member.id}/access_rules"

    for user, expected in ((reader, 403), (admin, 200), (member, 200)):
        for path in (path_of(member), one, rules):
            assert client_of(user).get(path).status_code == expected
    assert create(client_of(admin), member, name="other").status_code == 403
    assert create(client_of(reader), member, name="other").status_code == 403
    assert client_of(reader).delete(one).status_code == 403
    assert client_of(reader).delete(path_of(reader, made["id"])).status_code == 404
    assert client_of(admin).delete(one).status_code == 204
    assert APIClient().get(path_of(member)).status_code == 401
    assert client_of(admin).get("/identity/v3/users/x/application_credentials").status_code == 404


def test_a_restricted_one_manages_no_credentials(made, member):
    client = client_with(made)

    assert create(client, member, name="more").status_code == 403
    assert client.delete(path_of(member, made["id"])).status_code == 403
    assert client.get(path_of(member)).status_code == 200


def test_an_unrestricted_one_makes_others_within_its_roles(by_member, member, roles):
    body = {"unrestricted": True, "roles": [{"name": "reader"}]}
    made = create(by_member, member, **body).json()["application_credential"]
    client = client_with(made)

    more = create(client, member, name="more")

    assert [role["name"] for role in more.json()["application_credential"]["roles"]] == ["reader"]
    beyond = create(client, member, name="beyond", roles=[{"name": "member"}])
    assert beyond.status_code == 400


def test_its_token_ends_with_it(made, member, by_member):
    client = client_with(made)
    assert client.get("/identity/v3/auth/projects").status_code == 200

    by_member.delete(path_of(member, made["id"]))

    assert client.get("/identity/v3/auth/projects").status_code == 401
    assert log_in({"id": made["id"], "secret": made["secret"]}).status_code == 401


def test_its_token_does_not_outlive_it(by_member, member):
    soon = timezone.now() + timedelta(minutes=10)
    text = soon.strftime("%Y-%m-%dT%H:%M:%S")
    made = create(by_member, member, expires_at=text).json()["application_credential"]

    token = log_in({"id": made["id"], "secret": made["secret"]}).json()["token"]
    ApplicationCredential.objects.update(expires_at=timezone.now())

    assert made["expires_at"] == token["expires_at"] == f"{text}.000000Z"
    assert log_in({"id": made["id"], "secret": made["secret"]}).status_code == 401


@pytest.mark.parametrize("change", ["user", "project", "domain", "role"])
def test_it_is_refused_with_what_it_stands_on(made, member, demo, domain, change):
    client = client_with(made)

    if change == "role":
        RoleAssignment.objects.filter(user=member).delete()
    else:
        thing = {"user": member, "project": demo, "domain": domain}[change]
        setattr(thing, "is_active" if change == "user" else "enabled", False)
        thing.save()

    assert log_in({"id": made["id"], "secret": made["secret"]}).status_code == 401
    assert client.get("/identity/v3/auth/projects").status_code == 401


def test_taking_a_role_back_ends_those_that_have_it(
    made, by_member, member, demo, roles, admin, client_of
):
    RoleAssignment.objects.create(user=member, project=demo, role=roles["reader"])
    create(by_member, member, name="looks", roles=[{"name": "reader"}])
    grant = f"/identity/v3/projects/{demo.id}/users/{member.id}/roles/{roles['member'].id}"

    client_of(admin).delete(grant)

    assert [left.name for left in ApplicationCredential.objects.all()] == ["looks"]


def test_it_goes_with_its_user_and_its_project(made, member, demo):
    demo.delete()

    assert not ApplicationCredential.objects.exists()


def test_a_password_change_leaves_it(made, member):
    member.set_password("another horse 2")
    member.save()

    assert log_in({"id": made["id"], "secret": made["secret"]}).status_code == 201


def test_its_token_makes_no_wider_one(made, admin, other, member, roles):
    RoleAssignment.objects.create(user=member, project=other, role=roles["admin"])
    text = log_in({"id": made["id"], "secret": made["secret"]})["X-Subject-Token"]

    def rescope(scope, **more):
        identity = {"methods": ["token", *more], "token": {"id": text}, **more}
        auth = {"identity": identity, **({"scope": scope} if scope else {})}
        return APIClient().post(TOKENS, {"auth": auth}, format="json")

    same = rescope(None)
    named = rescope({"project": {"id": made["project_id"]}})
    assert same.json()["token"]["application_credential"]["restricted"] is True
    assert named.json()["token"]["methods"] == ["application_credential", "token"]
    for scope in ("unscoped", {"project": {"id": other.id}}):
        assert rescope(scope).status_code == 401
    password = {"password": {"user": {"id": member.id, "password": PASSWORD}}}
    assert rescope({"project": {"id": other.id}}, **password).status_code == 401


def test_the_last_use_is_noted_now_and_then(made, django_assert_num_queries):
    client = client_with(made)
    first = ApplicationCredential.objects.get().last_used_at
    with django_assert_num_queries(3):
        client.get("/identity/v3/auth/catalog")
    unchanged = ApplicationCredential.objects.get().last_used_at
    long_ago = timezone.now() - timedelta(hours=1)
    ApplicationCredential.objects.update(last_used_at=long_ago)

    client.get("/identity/v3/auth/catalog")

    assert first is not None
    assert unchanged == first
    assert ApplicationCredential.objects.filter(last_used_at__gt=long_ago).exists()


def test_access_rules_limit_the_requests(by_member, member):
    rules = [
        {"service": "compute", "method": "GET", "path": "/v2.1/servers"},
        {"service": "identity", "method": "GET", "path": "/v3/users/*/access_rules/**"},
    ]
    made = create(by_member, member, access_rules=rules).json()["application_credential"]
    client = client_with(made)

    own = f"/identity/v3/users/{member.id}/access_rules"
    assert client.get("/compute/v2.1/servers").status_code == 200
    assert client.get("/compute/v2.1/servers?limit=1").status_code == 200
    assert client.get("/compute/v2.1/flavors").status_code == 401
    assert client.post("/compute/v2.1/servers", {}, format="json").status_code == 401
    assert client.get("/image/v2/images").status_code == 401
    assert client.get(f"{own}/{made['access_rules'][0]['id']}").status_code == 200
    assert [{**rule, "id": None} for rule in made["access_rules"]] == [
        {**rule, "id": None} for rule in rules
    ]
    token = log_in({"id": made["id"], "secret": made["secret"]}).json()["token"]
    assert token["application_credential"]["access_rules"] == made["access_rules"]


def test_rules_are_shared_listed_and_deleted_when_unused(by_member, member):
    rule = {"service": "compute", "method": "GET", "path": "/v2.1/servers"}
    one = create(by_member, member, access_rules=[rule]).json()["application_credential"]
    rule_id = one["access_rules"][0]["id"]
    two = create(by_member, member, name="two", access_rules=[{"id": rule_id}])
    path = f"/identity/v3/users/{member.id}/access_rules"

    listed = by_member.get(path).json()["access_rules"]
    narrowed = by_member.get(f"{path}?service=image").json()["access_rules"]
    in_use = by_member.delete(f"{path}/{rule_id}")
    ApplicationCredential.objects.all().delete()
    deleted = by_member.delete(f"{path}/{rule_id}")

    assert two.json()["application_credential"]["access_rules"] == one["access_rules"]
    assert [entry["id"] for entry in listed] == [rule_id]
    assert listed[0]["links"] == {"self": f"{settings.PUBLIC_URL}{path}/{rule_id}"}
    assert narrowed == []
    assert in_use.status_code == 403
    assert deleted.status_code == 204
    assert by_member.get(f"{path}/{rule_id}").status_code == 404
    assert not AccessRule.objects.exists()

"""Logging in, looking at tokens and taking them back."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone
from rest_framework.test import APIClient

from identity.models import RoleAssignment
from identity.tokens import issue_token
from tests.identity.conftest import PASSWORD

TOKENS = "/identity/v3/auth/tokens"
REFUSED = {
    "error": {
        "code": 401,
        "message": "The request you have made requires authentication.",
        "title": "Unauthorized",
    }
}
CATALOG_PATHS = {
    "identity": "/identity/v3",
    "compute": "/compute/v2.1",
    "image": "/image",
    "network": "/network",
    "block-storage": "/volume/v3",
    "volumev3": "/volume/v3",
}


@pytest.fixture
def wire():
    return APIClient()


def password_body(name="mia", password=PASSWORD, scope=None, **user):
    user = user or {"name": name, "domain": {"id": "default"}}
    auth = {
        "identity": {"methods": ["password"], "password": {"user": {**user, "password": password}}}
    }
    if scope is not None:
        auth["scope"] = scope
    return {"auth": auth}


def token_body(token, scope=None):
    auth = {"identity": {"methods": ["token"], "token": {"id": token}}}
    if scope is not None:
        auth["scope"] = scope
    return {"auth": auth}


def post(wire, body):
    return wire.post(TOKENS, body, format="json")


def test_login_to_a_project_answers_the_whole_token(wire, member, demo, roles):
    scope = {"project": {"name": "demo", "domain": {"name": "Default"}}}

    response = post(wire, password_body(scope=scope))

    assert response.status_code == 201
    assert response["X-Subject-Token"]
    assert "X-Auth-Token" in response["Vary"]
    token = response.json()["token"]
    catalog = token.pop("catalog")
    audit_ids = token.pop("audit_ids")
    issued, expires = token.pop("issued_at"), token.pop("expires_at")
    found = sorted(token.pop("roles"), key=lambda role: role["name"])
    assert token == {
        "methods": ["password"],
        "user": {
            "id": member.id,
            "name": "mia",
            "domain": {"id": "default", "name": "Default"},
            "password_expires_at": None,
        },
        "project": {
            "id": demo.id,
            "name": "demo",
            "domain": {"id": "default", "name": "Default"},
        },
        "is_domain": False,
    }
    assert found == [
        {"id": roles["member"].id, "name": "member"},
        {"id": roles["reader"].id, "name": "reader"},
    ]
    assert len(audit_ids) == 1
    assert issued < expires
    assert expires.endswith("Z")
    assert len(expires) == len("2026-01-01T00:00:00.000000Z")
    for service in catalog:
        assert {endpoint["interface"] for endpoint in service["endpoints"]} == {
            "public",
            "internal",
            "admin",
        }
        for endpoint in service["endpoints"]:
            assert endpoint["region"] == endpoint["region_id"] == "RegionOne"
            assert endpoint["url"] == settings.PUBLIC_URL + CATALOG_PATHS[service["type"]]
    assert {service["type"] for service in catalog} == set(CATALOG_PATHS)


def test_login_without_a_scope_takes_the_default_project(wire, member, demo):
    token = post(wire, password_body()).json()["token"]

    assert token["project"]["id"] == demo.id


def test_login_without_a_scope_or_a_role_in_the_default_project_is_unscoped(wire, member):
    RoleAssignment.objects.all().delete()

    token = post(wire, password_body()).json()["token"]

    assert token.keys() == {"methods", "user", "audit_ids", "issued_at", "expires_at"}


@pytest.mark.parametrize("scope", ["unscoped", {"unscoped": {}}])
def test_unscoped_login_has_neither_roles_nor_catalog(wire, member, scope):
    token = post(wire, password_body(scope=scope)).json()["token"]

    assert token.keys() == {"methods", "user", "audit_ids", "issued_at", "expires_at"}


def test_login_by_user_id(wire, member):
    assert post(wire, password_body(id=member.id)).status_code == 201


def test_nocatalog_leaves_the_catalog_out(wire, member):
    response = wire.post(f"{TOKENS}?nocatalog", password_body(), format="json")

    assert "catalog" not in response.json()["token"]


@pytest.mark.parametrize(
    "scope",
    [
        {"project": {"id": "other"}},
        {"project": {"name": "other", "domain": {"id": "default"}}},
        {"project": {"name": "demo", "domain": {"id": "nowhere"}}},
        {"domain": {"id": "default"}},
        {"domain": {"name": "nowhere"}},
        {"system": {"all": True}},
        {"OS-TRUST:trust": {"id": "x"}},
    ],
)
def test_a_scope_one_may_not_have_is_a_401(wire, member, other, scope):
    response = post(wire, password_body(scope=scope))

    assert (response.status_code, response.json()) == (401, REFUSED)
    assert response["WWW-Authenticate"].startswith("Keystone uri=")


def test_wrong_password_and_unknown_user_answer_alike(wire, member):
    wrong = post(wire, password_body(password="wrong"))
    unknown = post(wire, password_body(name="nobody"))

    assert (wrong.status_code, wrong.json()) == (401, REFUSED)
    assert (unknown.status_code, unknown.json()) == (401, REFUSED)


def test_a_disabled_user_project_or_domain_is_a_401(wire, member, demo, domain):
    scope = {"project": {"id": demo.id}}
    for thing, field in [(member, "is_active"), (demo, "enabled"), (domain, "enabled")]:
        setattr(thing, field, False)
        thing.save()

        response = post(wire, password_body(scope=scope))

        assert (response.status_code, response.json()) == (401, REFUSED)
        setattr(thing, field, True)
        thing.save()
    assert post(wire, password_body(scope=scope)).status_code == 201


@pytest.mark.parametrize("method", ["totp", "saml2"])
def test_a_method_that_is_not_offered_is_a_401(wire, method):
    response = post(wire, {"auth": {"identity": {"methods": [method], method: {}}}})

    assert response.status_code == 401
    assert response.json()["error"]["message"] == (
        "Attempted to authenticate with an unsupported method."
    )


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"auth": {}},
        {"auth": {"identity": {"methods": ["password"]}}},
        {"auth": {"identity": {"methods": "password"}}},
        password_body(name="mia") | {"auth": {"identity": {"methods": ["password"]}}},
        {
            "auth": {
                "identity": {
                    "methods": ["password"],
                    "password": {"user": {"name": "mia", "password": "s3cret"}},
                }
            }
        },
        password_body(scope={"project": {"id": "a"}, "domain": {"id": "b"}}),
        password_body(scope={"project": {"name": "demo"}}),
        password_body(scope=5),
    ],
)
def test_a_malformed_login_is_a_400_that_quotes_nothing(wire, db, body):
    response = post(wire, body)

    assert response.status_code == 400
    assert response.json()["error"]["title"] == "Bad Request"
    assert "s3cret" not in response.content.decode()


def test_a_token_from_a_token_keeps_its_expiry_and_chain(wire, member, demo):
    first = post(wire, password_body(scope="unscoped"))

    second = post(wire, token_body(first["X-Subject-Token"], {"project": {"id": demo.id}}))

    old, new = first.json()["token"], second.json()["token"]
    assert second.status_code == 201
    assert new["expires_at"] == old["expires_at"]
    assert new["methods"] == ["password", "token"]
    assert new["audit_ids"][1:] == old["audit_ids"]


def test_credentials_of_two_users_are_a_401(wire, member, admin, client_of):
    body = password_body()
    body["auth"]["identity"]["methods"].append("token")
    body["auth"]["identity"]["token"] = {"id": client_of(admin).token.text}

    assert post(wire, body).status_code == 401


def test_one_may_look_at_and_revoke_ones_own_token(member, client_of):
    client = client_of(member)
    text = client.token.text

    seen = client.get(TOKENS, headers={"X-Subject-Token": text})
    head = client.head(TOKENS, headers={"X-Subject-Token": text})
    gone = client.delete(TOKENS, headers={"X-Subject-Token": text})
    after = client.get(TOKENS, headers={"X-Subject-Token": text})

    assert seen.status_code == 200
    assert seen["X-Subject-Token"] == text
    assert seen.json()["token"]["user"]["id"] == member.id
    assert (head.status_code, head.content) == (200, b"")
    assert (gone.status_code, gone.content) == (204, b"")
    assert after.status_code == 401


def test_another_users_token_is_seen_by_admins_only(member, reader, admin, client_of):
    subject = {"X-Subject-Token": client_of(member).token.text}

    assert client_of(reader).get(TOKENS, headers=subject).status_code == 403
    assert client_of(admin).get(TOKENS, headers=subject).status_code == 200
    assert client_of(reader).delete(TOKENS, headers=subject).status_code == 403
    assert client_of(admin).delete(TOKENS, headers=subject).status_code == 204
    assert client_of(admin).get(TOKENS, headers=subject).status_code == 404


def test_an_invalid_subject_is_a_404(member, client_of):
    response = client_of(member).get(TOKENS, headers={"X-Subject-Token": "nonsense"})

    assert response.status_code == 404
    assert response.json()["error"]["code"] == 404


@pytest.mark.parametrize("text", ["x", "a:b", "gAAAA", "é", "W10:sig"])
def test_a_forged_token_is_a_401(db, text):
    response = APIClient().get(
        "/identity/v3/auth/projects", headers={"X-Auth-Token": text.encode().decode("latin-1")}
    )

    assert (response.status_code, response.json()) == (401, REFUSED)


def test_no_token_is_a_401(db):
    response = APIClient().get("/identity/v3/auth/projects")

    assert (response.status_code, response.json()) == (401, REFUSED)


def test_a_token_ends_with_its_lifetime(member, demo):
    hour = timedelta(hours=1)
    token = issue_token(
        user=member, project=demo, methods=["password"], now=timezone.now() - hour, lifetime=hour
    )

    response = APIClient().get("/identity/v3/auth/projects", headers={"X-Auth-Token": token.text})

    assert response.status_code == 401


@pytest.mark.parametrize("change", ["user", "project", "domain", "role", "password"])
def test_a_token_ends_with_what_it_stands_on(member, demo, domain, client_of, change):
    client = client_of(member)
    assert client.get("/identity/v3/auth/projects").status_code == 200

    if change == "user":
        member.is_active = False
        member.save()
    elif change == "project":
        demo.enabled = False
        demo.save()
    elif change == "domain":
        domain.enabled = False
        domain.save()
    elif change == "role":
        RoleAssignment.objects.filter(user=member).delete()
    else:
        member.tokens_valid_from = timezone.now()
        member.save()

    assert client.get("/identity/v3/auth/projects").status_code == 401


def test_authentication_takes_one_query(member, client_of, django_assert_num_queries):
    client = client_of(member)

    with django_assert_num_queries(1):
        client.get("/identity/v3/auth/catalog")


def test_auth_projects_lists_where_one_has_a_role(member, demo, other, client_of):
    body = client_of(member, None).get("/identity/v3/auth/projects").json()

    assert [project["id"] for project in body["projects"]] == [demo.id]
    assert body["links"] == {
        "self": f"{settings.PUBLIC_URL}/identity/v3/auth/projects",
        "previous": None,
        "next": None,
    }


def test_the_catalog_needs_a_scope(member, client_of):
    scoped = client_of(member).get("/identity/v3/auth/catalog")
    unscoped = client_of(member, None).get("/identity/v3/auth/catalog")

    assert {service["type"] for service in scoped.json()["catalog"]} == set(CATALOG_PATHS)
    assert unscoped.status_code == 403


def test_auth_domains_and_system_are_empty(member, client_of):
    client = client_of(member)

    assert client.get("/identity/v3/auth/domains").json()["domains"] == []
    assert client.get("/identity/v3/auth/system").json()["system"] == []

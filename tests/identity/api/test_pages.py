"""Paging: every list of the identity API, by `limit` and `marker`."""

import pytest
from django.conf import settings

from identity.models import (
    AccessRule,
    ApplicationCredential,
    Domain,
    Group,
    Membership,
    Project,
    Role,
    RoleAssignment,
    RoleGrant,
    User,
)

V3 = "/identity/v3"
# The address, `{}` being a user's, a group's or a project's own, and the key of the list.
LISTS = [
    ("domains", "domains"),
    ("projects", "projects"),
    ("users", "users"),
    ("groups", "groups"),
    ("roles", "roles"),
    ("groups/{group}/users", "users"),
    ("users/{user}/groups", "groups"),
    ("users/{user}/projects", "projects"),
    ("users/{user}/application_credentials", "application_credentials"),
    ("users/{user}/access_rules", "access_rules"),
    ("projects/{project}/users/{user}/roles", "roles"),
    ("role_assignments", "role_assignments"),
    ("role_assignments?effective", "role_assignments"),
    ("auth/projects", "projects"),
    ("auth/domains", "domains"),
    ("services", "services"),
    ("endpoints", "endpoints"),
]


@pytest.fixture
def names(admin, other, domain, roles):
    """Four of everything, all about the administrator."""
    group = Group.objects.create(name="g", domain=domain)
    RoleAssignment.objects.bulk_create(
        RoleAssignment(user=admin, project=other, role=roles[name])
        for name in ("manager", "member", "reader")
    )
    for number in range(4):
        apart = Domain.objects.create(name=f"d{number}")
        project = Project.objects.create(name=f"p{number}", domain=domain)
        user = User.objects.create(name=f"u{number}", domain=domain)
        mine = Group.objects.create(name=f"g{number}", domain=domain)
        RoleAssignment.objects.create(user=admin, project=project, role=roles["reader"])
        RoleGrant.objects.create(user=admin, domain=apart, role=roles["reader"])
        Membership.objects.create(group=group, user=user)
        Membership.objects.create(group=mine, user=admin)
        AccessRule.objects.create(user=admin, service="compute", method="GET", path=f"/{number}")
        ApplicationCredential.objects.create(user=admin, project=other, name=f"a{number}")
    return {"group": group.id, "user": admin.id, "project": other.id}


@pytest.mark.parametrize(("path", "key"), LISTS, ids=[path for path, _ in LISTS])
def test_pages_make_up_the_whole_list(admin, client_of, names, path, key):
    client = client_of(admin)
    address = f"{V3}/{path.format(**names)}"
    whole = client.get(address).json()
    more = "&" if "?" in address else "?"

    pages, following = [], f"{address}{more}limit=3"
    while following:
        body = client.get(following).json()
        pages.append(body[key])
        assert body["links"]["self"] == f"{settings.PUBLIC_URL}{following}"
        following = (body["links"]["next"] or "").removeprefix(settings.PUBLIC_URL)

    assert len(whole[key]) > 3
    assert whole["links"]["next"] is None
    assert [each for page in pages for each in page] == whole[key]
    assert {len(page) for page in pages[:-1]} == {3}


@pytest.mark.parametrize("query", ["limit=x", "limit=-1", "marker=nothing"])
@pytest.mark.parametrize("path", ["projects", "endpoints", "role_assignments"])
def test_a_bad_limit_or_marker_is_a_400(admin, client_of, path, query):
    response = client_of(admin).get(f"{V3}/{path}?{query}")

    assert response.status_code == 400
    assert response.json()["error"]["code"] == 400


def test_a_page_costs_as_many_queries_as_the_whole_and_one(
    admin, client_of, names, django_assert_num_queries
):
    client = client_of(admin)
    first = client.get(f"{V3}/projects?limit=1").json()["projects"][0]["id"]

    with django_assert_num_queries(2):
        client.get(f"{V3}/projects?limit=2")
    with django_assert_num_queries(3):
        client.get(f"{V3}/projects?limit=2&marker={first}")
    assert Role.objects.count() == 5

"""Domains and projects over the API."""

import pytest
from django.conf import settings

from identity import delete
from identity.models import Project

BASE = f"{settings.PUBLIC_URL}/identity/v3"
PROJECTS = "/identity/v3/projects"


def form(project, **changes):
    return {
        "id": project.id,
        "name": project.name,
        "domain_id": "default",
        "description": "",
        "enabled": True,
        "parent_id": "default",
        "is_domain": False,
        "tags": [],
        "options": {},
        "links": {"self": f"{BASE}/projects/{project.id}"},
        **changes,
    }


@pytest.fixture
def by_admin(admin, client_of):
    return client_of(admin)


@pytest.fixture
def by_member(member, client_of):
    return client_of(member)


@pytest.fixture
def by_reader(reader, client_of):
    return client_of(reader)


def test_admin_lists_projects_by_name(by_admin, demo, other):
    body = by_admin.get(PROJECTS).json()

    assert body == {
        "projects": [form(demo), form(other)],
        "links": {"self": f"{BASE}/projects", "previous": None, "next": None},
    }


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("name=demo", ["demo"]),
        ("name=nothing", []),
        ("domain_id=default", ["demo", "other"]),
        ("domain_id=x", []),
        ("parent_id=default", ["demo", "other"]),
        ("enabled=false", []),
        ("enabled=True", ["demo", "other"]),
        ("is_domain=true", []),
        ("tags=red", ["demo"]),
        ("tags=red,blue", []),
        ("tags-any=red,blue", ["demo"]),
        ("not-tags=red", ["other"]),
        ("not-tags=red,blue", ["demo", "other"]),
        ("not-tags-any=red,blue", ["other"]),
        ("tags=", ["demo", "other"]),
        ("unknown=1", ["demo", "other"]),
    ],
)
def test_the_list_is_narrowed_by_exact_values(by_admin, demo, other, query, names):
    demo.tags = ["red"]
    demo.save()

    body = by_admin.get(f"{PROJECTS}?{query}").json()

    assert [project["name"] for project in body["projects"]] == names


def test_the_list_takes_a_constant_number_of_queries(by_admin, domain, django_assert_num_queries):
    Project.objects.bulk_create(Project(name=f"p{n}", domain=domain) for n in range(50))

    with django_assert_num_queries(2):
        assert len(by_admin.get(PROJECTS).json()["projects"]) == 51


def test_one_may_read_ones_own_project_only(by_member, by_reader, demo, other):
    for client in (by_member, by_reader):
        own = client.get(f"{PROJECTS}/{demo.id}")
        foreign = client.get(f"{PROJECTS}/{other.id}")
        none = client.get(f"{PROJECTS}/demo")

        assert (own.status_code, own.json()) == (200, {"project": form(demo)})
        assert foreign.status_code == none.status_code == 403
        assert foreign.json()["error"]["message"] == (
            "You are not authorized to perform the requested action: identity:get_project."
        )


def test_only_admins_list_create_change_and_delete(by_member, demo):
    body = {"project": {"name": "mine"}}

    assert by_member.get(PROJECTS).status_code == 403
    assert by_member.post(PROJECTS, body, format="json").status_code == 403
    assert by_member.patch(f"{PROJECTS}/{demo.id}", body, format="json").status_code == 403
    assert by_member.delete(f"{PROJECTS}/{demo.id}").status_code == 403


def test_a_name_is_no_id(by_admin, demo):
    response = by_admin.get(f"{PROJECTS}/demo")

    assert response.status_code == 404
    assert response.json() == {
        "error": {"code": 404, "message": "Could not find project: demo.", "title": "Not Found"}
    }


def test_create_answers_the_project(by_admin):
    body = {
        "project": {
            "name": "lab",
            "description": "Trials",
            "enabled": False,
            "tags": ["a", "b"],
            "domain_id": "default",
            "parent_id": "default",
            "is_domain": False,
            "options": {},
        }
    }

    response = by_admin.post(PROJECTS, body, format="json")

    project = Project.objects.get(name="lab")
    assert response.status_code == 201
    assert response.json()["project"] == form(
        project, description="Trials", enabled=False, tags=["a", "b"]
    )


def test_a_taken_name_is_a_409(by_admin, demo):
    create = by_admin.post(PROJECTS, {"project": {"name": "demo"}}, format="json")
    rename = by_admin.patch(
        f"{PROJECTS}/{by_admin.token.project_id}", {"project": {"name": "demo"}}, format="json"
    )

    assert create.status_code == rename.status_code == 409
    assert create.json()["error"]["title"] == "Conflict"


@pytest.mark.parametrize(
    "project",
    [
        {},
        {"name": ""},
        {"name": " "},
        {"name": "x" * 65},
        {"name": 5},
        {"name": "a", "unknown": 1},
        {"name": "a", "is_domain": True},
        {"name": "a", "domain_id": "nowhere"},
        {"name": "a", "parent_id": "nowhere"},
        {"name": "a", "domain_id": "default", "parent_id": "x"},
        {"name": "a", "tags": ["a,b"]},
        {"name": "a", "options": {"unknown": True}},
        {"name": "a", "enabled": "yes"},
    ],
)
def test_a_malformed_project_is_a_400(by_admin, project):
    response = by_admin.post(PROJECTS, {"project": project}, format="json")

    assert response.status_code == 400
    assert response.json()["error"]["code"] == 400


def test_update_changes_what_it_names(by_admin, demo):
    body = {"project": {"description": "New", "tags": ["x"]}}

    response = by_admin.patch(f"{PROJECTS}/{demo.id}", body, format="json")

    assert response.json()["project"] == form(demo, description="New", tags=["x"])


def test_a_project_stays_in_its_domain(by_admin, demo):
    body = {"project": {"domain_id": "elsewhere"}}

    assert by_admin.patch(f"{PROJECTS}/{demo.id}", body, format="json").status_code == 400


def test_delete_is_refused_while_something_is_held(by_admin, demo, monkeypatch):
    held = ["2 servers"]
    monkeypatch.setattr(delete, "_holders", [lambda project_id: held[0]])

    refused = by_admin.delete(f"{PROJECTS}/{demo.id}")
    held[0] = ""
    done = by_admin.delete(f"{PROJECTS}/{demo.id}")

    assert refused.status_code == 409
    assert refused.json()["error"]["message"] == (
        f"The project demo still has 2 servers. GET {PROJECTS}/{demo.id}/cloudportal:contents "
        "shows all that it owns; POST there removes the project with it."
    )
    assert (done.status_code, done.content) == (204, b"")
    assert by_admin.get(f"{PROJECTS}/{demo.id}").status_code == 404


def test_domains_are_readable_by_all(by_reader, domain):
    entry = {
        "id": "default",
        "name": "Default",
        "description": "",
        "enabled": True,
        "options": {},
        "tags": [],
        "links": {"self": f"{BASE}/domains/default"},
    }

    assert by_reader.get("/identity/v3/domains?name=Default").json()["domains"] == [entry]
    assert by_reader.get("/identity/v3/domains?name=x").json()["domains"] == []
    assert by_reader.get("/identity/v3/domains/default").json() == {"domain": entry}
    assert by_reader.get("/identity/v3/domains/Default").status_code == 404


def test_an_unknown_address_is_a_404_in_the_services_form(client):
    for path in ("/identity/v3/nothing", "/identity/v2.0", "/identity/v3/auth"):
        response = client.post(path)

        assert response.status_code == 404
        assert response.json()["error"]["title"] == "Not Found"

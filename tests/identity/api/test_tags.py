"""Tags of projects, and the option that keeps things as they are."""

import pytest
from django.conf import settings
from django.test import Client
from rest_framework.test import APIClient

from identity.models import User

V3 = "/identity/v3"
BASE = f"{settings.PUBLIC_URL}{V3}"


@pytest.fixture
def by_admin(admin, client_of):
    return client_of(admin)


def test_tags_come_and_go(by_admin, demo):
    path = f"{V3}/projects/{demo.id}/tags"
    links = {"self": f"{BASE}/projects/{demo.id}/tags", "previous": None, "next": None}

    assert by_admin.get(path).json() == {"tags": [], "links": links}
    assert by_admin.put(f"{path}/red").status_code == 201
    assert by_admin.put(f"{path}/red").status_code == 201
    assert by_admin.put(f"{path}/ö b").status_code == 201
    assert by_admin.get(path).json()["tags"] == ["red", "ö b"]
    assert by_admin.head(f"{path}/red").status_code == 204
    assert by_admin.get(f"{path}/Red").status_code == 404
    assert by_admin.delete(f"{path}/red").status_code == 204
    assert by_admin.delete(f"{path}/red").status_code == 404
    replaced = by_admin.put(path, {"tags": ["a", "b"]}, format="json")
    assert (replaced.status_code, replaced.json()) == (200, {"tags": ["a", "b"], "links": links})
    assert by_admin.delete(path).status_code == 204
    assert by_admin.get(f"{V3}/projects/{demo.id}").json()["project"]["tags"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"tags": "red"},
        {"tags": ["a", "a"]},
        {"tags": ["a,b"]},
        {"tags": ["x" * 256]},
        {"tags": [str(number) for number in range(81)]},
    ],
)
def test_bad_tags_are_a_400(by_admin, demo, body):
    response = by_admin.put(f"{V3}/projects/{demo.id}/tags", body, format="json")

    assert response.status_code == 400


def test_a_bad_tag_and_one_too_many_are_a_400(by_admin, demo):
    path = f"{V3}/projects/{demo.id}/tags"
    assert by_admin.put(f"{path}/a,b").status_code == 400
    demo.tags = [str(number) for number in range(80)]
    demo.save()

    assert by_admin.put(f"{path}/more").status_code == 400
    assert by_admin.put(f"{path}/79").status_code == 201


def test_everybody_in_a_project_sees_its_tags(reader, client_of, demo, other):
    client = client_of(reader)
    own, foreign = f"{V3}/projects/{demo.id}/tags", f"{V3}/projects/{other.id}/tags"

    assert client.get(own).status_code == 200
    assert client.get(f"{own}/x").status_code == 404
    assert client.get(foreign).status_code == 403
    assert client.put(f"{own}/x").status_code == 403
    assert client.put(own, {"tags": []}, format="json").status_code == 403
    assert client.delete(own).status_code == 403
    assert client.delete(f"{own}/x").status_code == 403
    assert APIClient().get(own).status_code == 401


@pytest.mark.parametrize("kind", ["domain", "project", "role"])
def test_what_is_immutable_stays_until_it_is_not(by_admin, kind):
    many = f"{V3}/{kind}s"
    body = {kind: {"name": "stone", "options": {"immutable": True}}}
    made = by_admin.post(many, body, format="json").json()[kind]
    path = f"{many}/{made['id']}"

    def change(**fields):
        return by_admin.patch(path, {kind: fields}, format="json")

    assert made["options"] == {"immutable": True}
    refused = change(description="x")
    assert refused.status_code == 403
    assert refused.json()["error"]["message"] == (
        f"Unable to update immutable {kind} resource: {made['id']}. "
        'Set resource option "immutable" to false first.'
    )
    assert change(description="x", options={"immutable": False}).status_code == 403
    assert by_admin.delete(path).status_code == 403
    assert change(options={"immutable": False}).json()[kind]["options"] == {"immutable": False}
    assert change(options={"immutable": None}).json()[kind]["options"] == {}
    assert change(description="x").status_code == 200


def test_the_tags_of_an_immutable_project_stay(by_admin, demo):
    demo.options = {"immutable": True}
    demo.save()

    assert by_admin.put(f"{V3}/projects/{demo.id}/tags/red").status_code == 403
    assert by_admin.put(f"{V3}/projects/{demo.id}/tags", {"tags": []}, "json").status_code == 403


def test_the_admin_leaves_what_is_immutable(admin, demo):
    User.objects.filter(pk=admin.pk).update(is_staff=True, is_superuser=True)
    page = Client()
    page.force_login(User.objects.get(pk=admin.pk))
    demo.options = {"immutable": True}
    demo.save()
    base = f"/admin/identity/project/{demo.id}"

    assert page.post(f"{base}/delete/", {"post": "yes"}).status_code == 403
    assert page.post(f"{base}/change/", {"name": "x"}).status_code == 403


def test_a_project_below_its_domain(by_admin, demo):
    path = f"{V3}/projects/{demo.id}"

    same = by_admin.patch(path, {"project": {"parent_id": "default"}}, format="json")
    moved = by_admin.patch(path, {"project": {"parent_id": "x"}}, format="json")
    shown = by_admin.get(f"{path}?parents_as_ids&subtree_as_list").json()["project"]

    assert (same.status_code, moved.status_code) == (200, 403)
    assert shown["parents"] == {"default": None}
    assert shown["subtree"] == []
    assert "parents" not in by_admin.get(path).json()["project"]


def test_the_catalogue_is_not_changed_over_the_api(by_admin, member, client_of):
    service = by_admin.get(f"{V3}/services").json()["services"][0]["id"]
    endpoint = by_admin.get(f"{V3}/endpoints").json()["endpoints"][0]["id"]

    for many, one in (("services", service), ("endpoints", endpoint), ("regions", "RegionOne")):
        for answer in (
            by_admin.post(f"{V3}/{many}", {}, format="json"),
            by_admin.patch(f"{V3}/{many}/{one}", {}, format="json"),
            by_admin.delete(f"{V3}/{many}/{one}"),
        ):
            assert answer.status_code == 403
            assert answer.json()["error"]["message"] == (
                "Services, endpoints and regions come with the portal: "
                "this API does not change them."
            )
        assert client_of(member).delete(f"{V3}/{many}/{one}").status_code == 403


def test_there_are_no_limits_here(by_admin, member, client_of):
    client = client_of(member)
    for key in ("limits", "registered_limits"):
        assert client.get(f"{V3}/{key}").json()[key] == []
        assert client.get(f"{V3}/{key}/x").status_code == 404
        assert by_admin.post(f"{V3}/{key}", {}, format="json").status_code == 403
        assert client.post(f"{V3}/{key}", {}, format="json").status_code == 403
    assert client.get(f"{V3}/limits/model").json()["model"]["name"] == "flat"


def test_a_subtree_needs_a_project(by_admin, demo):
    path = f"{V3}/role_assignments?include_subtree"

    assert by_admin.get(path).status_code == 400
    assert by_admin.get(f"{path}&scope.project.id={demo.id}").status_code == 200

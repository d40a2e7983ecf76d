"""The image API: bodies, lists, patches, and who may do what."""

import json

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from images.attributes import READ_ONLY, RESERVED
from images.models import Image
from images.upload import store_image_data
from tests.images.conftest import actor_with

pytestmark = pytest.mark.django_db
PATCH_TYPE = "application/openstack-images-v2.1-json-patch"


def patch(client, image_id, *changes):
    return client.generic(
        "PATCH", f"/image/v2/images/{image_id}", json.dumps(changes), content_type=PATCH_TYPE
    )


def test_version_document_needs_no_token(client):
    response = client.get("/image/")

    assert response.status_code == 300
    versions = response.json()["versions"]
    assert versions[0]["status"] == "CURRENT"
    assert versions[0]["links"][0]["href"].endswith("/image/v2/")


@pytest.mark.parametrize("path", ["/image/v2/images", "/image/v2/schemas/image"])
def test_everything_else_does(client, path):
    assert client.get(path).status_code == 401


def test_created_image_is_shown_flat_with_its_properties(client_for, member):
    client = client_for(member)
    body = {
        "name": "tiny",
        "disk_format": "qcow2",
        "container_format": "bare",
        "min_ram": 64,
        "tags": ["b", "a", "b"],
        "hw_disk_bus": "virtio",
    }

    created = client.post("/image/v2/images", body, format="json")

    assert created.status_code == 201
    image = created.json()
    assert created["Location"].endswith(f"/image/v2/images/{image['id']}")
    stamps = {name: image[name] for name in ("created_at", "updated_at")}
    assert image == {
        "hw_disk_bus": "virtio",
        "id": image["id"],
        "name": "tiny",
        "status": "queued",
        "visibility": "shared",
        "protected": False,
        "os_hidden": False,
        "owner": "p1",
        "disk_format": "qcow2",
        "container_format": "bare",
        "min_disk": 0,
        "min_ram": 64,
        "size": None,
        "virtual_size": None,
        "checksum": None,
        "os_hash_algo": None,
        "os_hash_value": None,
        "tags": ["b", "a"],
        **stamps,
        "self": f"/v2/images/{image['id']}",
        "file": f"/v2/images/{image['id']}/file",
        "schema": "/v2/schemas/image",
    }
    assert client.get(f"/image/v2/images/{image['id']}").json() == image


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ([], 400),
        ({"name": 3}, 400),
        ({"name": "x" * 256}, 400),
        ({"min_ram": -1}, 400),
        ({"min_ram": True}, 400),
        ({"min_disk": 2**40}, 400),
        ({"disk_format": "vmdk"}, 400),
        ({"visibility": "secret"}, 400),
        ({"visibility": ["public"]}, 400),
        ({"protected": "yes"}, 400),
        ({"tags": "a"}, 400),
        ({"tags": [3]}, 400),
        ({"extra": 3}, 400),
        ({"id": "no-uuid"}, 400),
        ({"status": "active"}, 403),
        ({"checksum": "x"}, 403),
        ({"os_glance_import": "x"}, 403),
        ({"location": "file:///etc/passwd"}, 403),
        ({"visibility": "public"}, 403),
        ({"owner": "p2"}, 403),
    ],
)
def test_bad_create_is_refused_in_the_services_own_form(client_for, member, body, status):
    response = client_for(member).post("/image/v2/images", body, format="json")

    assert response.status_code == status, response.json()
    assert set(response.json()["error"]) == {"code", "title", "message"}
    assert not Image.objects.exists()


def test_chosen_id_is_used_once_even_after_a_delete(client_for, member):
    client = client_for(member)
    chosen = "6b0d4c3e-4d5e-4d64-a7e1-0d1c8c7d5f11"

    first = client.post("/image/v2/images", {"id": chosen}, format="json")
    client.delete(f"/image/v2/images/{chosen}")
    second = client.post("/image/v2/images", {"id": chosen}, format="json")

    assert (first.status_code, first.json()["id"], second.status_code) == (201, chosen, 409)


def test_create_is_bounded_by_quota(client_for, member):
    from quotas.models import QuotaLimit

    QuotaLimit.objects.create(project_id="p1", resource="images", limit=1)
    client = client_for(member)

    first = client.post("/image/v2/images", {}, format="json")
    over = client.post("/image/v2/images", {}, format="json")
    client.delete(f"/image/v2/images/{first.json()['id']}")
    again = client.post("/image/v2/images", {}, format="json")

    assert [first.status_code, over.status_code, again.status_code] == [201, 413, 201]


VISIBLE = {
    # visibility: who sees it besides the owning project and administrators
    "private": set(),
    "shared": set(),
    "community": {"foreign member"},
    "public": {"foreign member"},
}


@pytest.mark.parametrize("visibility", VISIBLE)
@pytest.mark.parametrize(
    ("who", "actor"),
    [
        ("reader", actor_with("reader")),
        ("member", actor_with("member")),
        ("admin", actor_with("admin", "p-admin")),
        ("foreign member", actor_with("member", "p2")),
        ("nobody", actor_with("", None)),
    ],
)
def test_who_may_do_what_with_an_image(client_for, queued, admin, visibility, who, actor):
    image = queued(admin, owner="p1", visibility=visibility)
    store_image_data(image=image, chunks=[b"x" * 512], actor=admin, now=timezone.now())
    client = client_for(actor)
    address = f"/image/v2/images/{image.pk}"
    sees = who in {"reader", "member", "admin"} | VISIBLE[visibility]
    writes = who in {"member", "admin"}
    refused = 403 if sees or who == "nobody" else 404

    assert client.get(address).status_code == (200 if sees else refused)
    download = client.get(f"{address}/file")
    assert download.status_code == (200 if sees else refused)
    assert not sees or b"".join(download.streaming_content) == b"x" * 512
    change = {"op": "replace", "path": "/name", "value": "two"}
    assert patch(client, image.pk, change).status_code == (200 if writes else refused)
    assert client.put(f"{address}/tags/x").status_code == (204 if writes else refused)
    assert client.delete(f"{address}/tags/x").status_code == (204 if writes else refused)
    upload = client.generic("PUT", f"{address}/file", b"x", "application/octet-stream")
    assert upload.status_code == (409 if writes else refused)
    assert client.delete(address).status_code == (204 if writes else refused)


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
@pytest.mark.parametrize("image_id", ["tiny", "6b0d4c3e-4d5e-4d64-a7e1-0d1c8c7d5f11"])
def test_unknown_image_is_not_found_also_by_name(client_for, member, method, image_id):
    address = f"/image/v2/images/{image_id}"

    response = client_for(member).generic(method.upper(), address, "[]", content_type=PATCH_TYPE)

    assert response.status_code == 404


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", {"own", "public"}),
        ("visibility=all", {"own", "public", "community"}),
        ("visibility=community", {"community"}),
        ("visibility=public", {"public"}),
        ("os_hidden=true", {"hidden"}),
        ("name=own", {"own"}),
        ("name=in:own,public", {"own", "public"}),
        ('name=in:"own"', {"own"}),
        ("id=in:6b0d4c3e-4d5e-4d64-a7e1-0d1c8c7d5f11,x", set()),
        ("id=own", set()),
        ("status=queued&owner=p1", {"own"}),
        ("tag=red", {"own"}),
        ("tag=red&tag=blue", {"own"}),
        ("tag=red&tag=green", set()),
        ("tag=re", set()),
        ("hw_disk_bus=ide", {"public"}),
        ("hw_disk_bus=sata", set()),
        ("1=one", {"own"}),
        ('a"b.c=%C3%A9', {"own"}),
        ("protected=true", set()),
        ("min_ram=64", {"public"}),
        ("size_min=1", set()),
        ("created_at=gte:2020-01-01T00:00:00Z", {"own", "public"}),
        ("created_at=lt:2020-01-01T00:00:00Z", set()),
        ("member_status=all", {"own", "public"}),
    ],
)
def test_list_shows_what_is_asked_for(client_for, queued, member, admin, query, names):
    properties = {"1": "one", 'a"b.c': "é"}
    queued(member, name="own", tags=["red", "blue"], **properties)
    queued(admin, name="public", visibility="public", hw_disk_bus="ide", min_ram=64)
    queued(admin, name="community", visibility="community")
    queued(admin, name="foreign", visibility="private")
    queued(member, name="hidden", os_hidden=True)

    response = client_for(member).get(f"/image/v2/images?{query}")

    assert response.status_code == 200, response.json()
    assert {image["name"] for image in response.json()["images"]} == names


@pytest.mark.parametrize(
    "query",
    [
        "limit=-1",
        "limit=x",
        "marker=x",
        "marker=6b0d4c3e-4d5e-4d64-a7e1-0d1c8c7d5f11",
        "sort=owner:asc",
        "sort=name:up",
        "sort=name&sort_key=id",
        "sort_key=id&sort_key=name&sort_dir=asc&sort_dir=asc&sort_dir=asc",
        "visibility=secret",
        "protected=maybe",
        "size_min=x",
        "created_at=gt:yesterday",
        "created_at=2020-99-99T00:00:00Z",
        "created_at=gt:9999-12-31T23:59:59-23:00",
        "name=%00",
        "tag=%00",
        "x%00=y",
        "=y",
        "changes-since=2020-01-01",
        "member_status=x",
        'name=in:"x',
    ],
)
def test_bad_query_is_refused(client_for, member, query):
    assert client_for(member).get(f"/image/v2/images?{query}").status_code == 400


@pytest.mark.parametrize("sort", ["", "sort=name:asc,size:desc&", "sort_key=size&sort_dir=asc&"])
def test_pages_hold_every_image_once(client_for, queued, member, sort):
    for number in range(7):
        queued(member, name=None if number % 2 else f"n{number % 3}")
    client = client_for(member)
    seen, link = [], f"/v2/images?{sort}limit=3"

    while link:
        body = client.get(f"/image{link}").json()
        seen += [image["id"] for image in body["images"]]
        link = body.get("next")

    assert len(seen) == len(set(seen)) == 7


def test_list_takes_a_constant_number_of_queries(
    client_for, queued, member, django_assert_num_queries
):
    for _ in range(20):
        queued(member)
    client = client_for(member)

    with django_assert_num_queries(1):
        client.get("/image/v2/images")


def test_patch_changes_attributes_properties_and_tags(client_for, queued, member):
    image = queued(member, old="1", kept="2")

    response = patch(
        client_for(member),
        image.pk,
        {"op": "replace", "path": "/name", "value": "two"},
        {"op": "add", "path": "/new~1er", "value": "x"},
        {"op": "remove", "path": "/old"},
        {"op": "add", "path": "/tags/-", "value": "t"},
        {"op": "add", "path": "/tags/0", "value": "s"},
    )

    body = response.json()
    assert response.status_code == 200
    assert (body["name"], body["new/er"], body["kept"], body["tags"]) == (
        "two",
        "x",
        "2",
        ["s", "t"],
    )
    assert "old" not in body


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"op": "replace", "path": "/missing", "value": "x"}, 409),
        ({"op": "remove", "path": "/missing"}, 409),
        ({"op": "remove", "path": "/name"}, 403),
        ({"op": "replace", "path": "/id", "value": "x"}, 403),
        ({"op": "replace", "path": "/status", "value": "active"}, 403),
        ({"op": "add", "path": "/os_glance_x", "value": "x"}, 403),
        ({"op": "replace", "path": "/visibility", "value": "public"}, 403),
        ({"op": "replace", "path": "/owner", "value": "p2"}, 403),
        ({"op": "replace", "path": "/min_ram", "value": "x"}, 400),
        ({"op": "move", "path": "/name"}, 400),
        ({"op": "add", "path": "/x"}, 400),
        ({"op": "add", "path": "x", "value": "y"}, 400),
        ({"op": "add", "path": "/", "value": "y"}, 400),
        ({"op": "add", "path": "/x/y", "value": "z"}, 400),
        ({"op": "add", "path": "/x~2y", "value": "z"}, 400),
        ({"op": "add", "path": "/x~", "value": "z"}, 400),
        ({"op": "add", "path": "/tags/9", "value": "z"}, 409),
        ({"op": "add", "path": "/tags/²", "value": "z"}, 409),
        ({"op": "add", "path": 3, "value": "z"}, 400),
        ("x", 400),
    ],
)
def test_bad_patch_changes_nothing(client_for, queued, member, change, status):
    image = queued(member)
    good = {"op": "replace", "path": "/name", "value": "changed"}

    response = patch(client_for(member), image.pk, good, change)

    assert response.status_code == status, response.json()
    image.refresh_from_db()
    assert image.name == "one"


@given(name=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_name_of_a_property_survives_its_pointer(client_for, queued, member, name):
    assume(name not in client_for(member).get("/image/v2/schemas/image").json()["properties"])
    assume(not name.startswith("os_glance") and name not in RESERVED | READ_ONLY)
    image, client = queued(member), client_for(member)
    path = "/" + name.replace("~", "~0").replace("/", "~1")

    added = patch(client, image.pk, {"op": "add", "path": path, "value": "x"})
    assert (added.status_code, added.json().get(name)) == (200, "x")
    removed = patch(client, image.pk, {"op": "remove", "path": path})
    assert (removed.status_code, name in removed.json()) == (200, False)


def test_patch_of_another_content_type_is_refused(client_for, queued, member):
    address = f"/image/v2/images/{queued(member).pk}"

    response = client_for(member).generic("PATCH", address, "[]", content_type="application/json")

    assert response.status_code == 415


def test_formats_are_fixed_once_there_is_data(client_for, queued, member):
    image = queued(member)
    change = {"op": "replace", "path": "/disk_format", "value": "iso"}
    store_image_data(image=image, chunks=[b"x" * 512], actor=member, now=timezone.now())

    assert patch(client_for(member), image.pk, change).status_code == 403


def test_tag_that_no_database_holds_is_refused(client_for, queued, member):
    address = f"/image/v2/images/{queued(member).pk}/tags"

    assert client_for(member).put(f"{address}/%00").status_code == 400
    assert client_for(member).put(f"{address}/{'x' * 256}").status_code == 400


def test_protected_image_is_not_deleted(client_for, queued, member):
    image = queued(member, protected=True)

    assert client_for(member).delete(f"/image/v2/images/{image.pk}").status_code == 403


def test_what_is_not_offered_is_said_so(client_for, member):
    client = client_for(member)

    assert client.get("/image/v2/info/import").json()["import-methods"]["value"] == [
        "glance-direct",
        "web-download",
    ]
    assert client.get("/image/v2/info/stores").status_code == 404

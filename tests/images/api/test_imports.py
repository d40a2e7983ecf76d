"""Imports, tasks, use and disuse, and usage, as a client asks for them."""

import pytest
from django.utils import timezone

from images.models import Image, ImageStatus
from images.upload import store_image_data
from operations.models import Operation, OperationState
from quotas.models import QuotaLimit
from tests.images.conftest import actor_with

pytestmark = pytest.mark.django_db
OCTETS = "application/octet-stream"
WEB = {"method": {"name": "web-download", "uri": "https://example.org/image"}}
DIRECT = {"method": {"name": "glance-direct"}}
OWNER = actor_with("member")
ACTORS = {
    "reader": actor_with("reader"),
    "member": OWNER,
    "admin": actor_with("admin", "p-admin"),
    "without role": actor_with(""),
    "foreign member": actor_with("member", "p2"),
}


def address_of(image, *more):
    return "/".join([f"/image/v2/images/{image.pk}", *more])


def stage(client, image, data=b"x" * 512, content_type=OCTETS):
    return client.generic("PUT", address_of(image, "stage"), data, content_type=content_type)


def data_of(client, image):
    return b"".join(client.get(address_of(image, "file")).streaming_content)


def post(client, image, body, what="import"):
    return client.post(address_of(image, what), body, format="json")


@pytest.mark.parametrize("visibility", ["private", "public"])
@pytest.mark.parametrize(
    ("who", "of_public", "of_private"),
    [
        ("reader", 403, 403),
        ("member", None, None),
        ("admin", None, None),
        ("without role", 403, 403),
        ("foreign member", 403, 404),
    ],
)
def test_who_may_import_and_see_tasks(client_for, queued, visibility, who, of_public, of_private):
    refused = of_public if visibility == "public" else of_private
    client = client_for(ACTORS[who])
    image, other = (queued(ACTORS["admin"], owner="p1", visibility=visibility) for _ in range(2))

    assert stage(client, image).status_code == (refused or 204)
    if refused:
        stage(client_for(OWNER), image)
    assert post(client, image, DIRECT).status_code == (refused or 202)
    assert post(client, other, WEB).status_code == (refused or 202)
    tasks = client.get(address_of(other, "tasks"))
    assert tasks.status_code == (200 if who == "reader" else refused or 200)


def test_import_is_accepted_and_is_a_task(client_for, queued):
    image = queued(OWNER)
    client = client_for(OWNER)

    assert post(client, image, WEB).status_code == 202
    shown = client.get(address_of(image)).json()
    [task] = client.get(address_of(image, "tasks")).json()["tasks"]
    Operation.objects.update(state=OperationState.RUNNING)
    Image.objects.update(arrived_bytes=3 * 1024**2, expected_bytes=10 * 1024**2)
    [at_work] = client.get(address_of(image, "tasks")).json()["tasks"]
    Operation.objects.update(state=OperationState.FAILED, error={"message": "No."})
    [failed] = client.get(address_of(image, "tasks")).json()["tasks"]

    assert shown["status"] == "importing"
    assert (task["type"], task["status"], task["message"]) == ("api_image_import", "pending", "")
    assert task["input"] == {"import_req": WEB}
    assert (task["image_id"], task["owner"]) == (str(image.pk), "p1")
    assert (at_work["status"], at_work["message"]) == ("processing", "Copied 3 MiB of 10 MiB")
    assert (failed["status"], failed["message"], failed["result"]) == ("failure", "No.", None)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ([], 400),
        (None, 400),
        ({"method": "web-download"}, 400),
        ({"method": {"name": "copy-image"}}, 400),
        ({"method": {"name": 3}}, 400),
        ({"method": {"name": "web-download"}}, 400),
        ({"method": {"name": "web-download", "uri": "file:///etc/passwd"}}, 400),
        ({"method": {"name": "web-download", "uri": "http://127.0.0.1/"}}, 400),
        ({"method": {"name": "web-download", "uri": "http://user:pw@example.org/"}}, 400),
        ({**WEB, "stores": ["fast"]}, 400),
        ({**WEB, "all_stores": True}, 202),
        (DIRECT, 409),
    ],
)
def test_import_that_makes_no_sense_is_refused(client_for, queued, body, status):
    image = queued(OWNER)

    answer = post(client_for(OWNER), image, body)

    image.refresh_from_db()
    assert answer.status_code == status
    assert image.status == ("importing" if status == 202 else "queued")
    assert "pw" not in answer.content.decode()


def test_import_needs_both_formats_and_the_right_status(client_for, queued):
    client = client_for(OWNER)
    bare, staged = queued(OWNER, disk_format=None), queued(OWNER)

    assert post(client, bare, WEB).status_code == 409
    assert stage(client, staged).status_code == 204
    assert stage(client, staged).status_code == 409
    upload = client.generic("PUT", address_of(staged, "file"), b"x", content_type=OCTETS)
    assert upload.status_code == 409
    assert post(client, staged, WEB).status_code == 409
    assert post(client, staged, DIRECT).status_code == 202
    assert post(client, staged, DIRECT).status_code == 409
    assert stage(client, queued(OWNER), content_type="text/plain").status_code == 415


def test_data_that_is_being_staged_is_not_imported(client_for, queued):
    image = queued(OWNER)
    Image.objects.filter(pk=image.pk).update(status=ImageStatus.UPLOADING)

    assert post(client_for(OWNER), image, DIRECT).status_code == 409


def test_staged_data_beyond_the_quota_is_413(client_for, queued):
    QuotaLimit.objects.create(project_id="p1", resource="image_size_total", limit=1)
    image = queued(OWNER)
    client = client_for(OWNER)

    for what in ("stage", "file"):
        address = address_of(image, what)
        answer = client.generic("PUT", address, b"x" * (1024**2 + 1), content_type=OCTETS)
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == 413


def test_new_image_says_how_it_may_be_imported(client_for):
    made = client_for(OWNER).post("/image/v2/images", {}, format="json")

    assert made["OpenStack-image-import-methods"] == "glance-direct,web-download"


# Use and disuse


@pytest.mark.parametrize("visibility", ["private", "public"])
@pytest.mark.parametrize("action", ["deactivate", "reactivate"])
@pytest.mark.parametrize(
    ("who", "of_public", "of_private"),
    [
        ("reader", 403, 403),
        ("member", 204, 204),
        ("admin", 204, 204),
        ("without role", 403, 403),
        ("foreign member", 403, 404),
    ],
)
def test_who_may_take_images_out_of_use(
    client_for, queued, visibility, action, who, of_public, of_private
):
    image = queued(ACTORS["admin"], owner="p1", visibility=visibility)
    Image.objects.update(status=ImageStatus.ACTIVE)

    answer = post(client_for(ACTORS[who]), image, None, f"actions/{action}")

    assert answer.status_code == (of_public if visibility == "public" else of_private)


def test_image_out_of_use_is_read_by_administrators_alone(client_for, queued):
    image = queued(OWNER)
    store_image_data(image=image, chunks=[b"x" * 512], actor=OWNER, now=timezone.now())
    client, admin = client_for(OWNER), client_for(ACTORS["admin"])

    for _ in range(2):
        assert post(client, image, None, "actions/deactivate").status_code == 204
    assert client.get(address_of(image)).json()["status"] == "deactivated"
    assert client.get(address_of(image, "file")).status_code == 403
    assert data_of(admin, image) == b"x" * 512
    for _ in range(2):
        assert post(client, image, None, "actions/reactivate").status_code == 204
    assert data_of(client, image) == b"x" * 512


@pytest.mark.parametrize("action", ["deactivate", "reactivate"])
@pytest.mark.parametrize("status", ["queued", "saving", "uploading", "importing"])
def test_image_without_data_is_neither_in_use_nor_out_of_it(client_for, queued, action, status):
    image = queued(OWNER)
    Image.objects.update(status=status)

    assert post(client_for(OWNER), image, None, f"actions/{action}").status_code == 403


# Usage


def test_usage_is_the_projects_own(client_for, queued):
    image = queued(OWNER)
    store_image_data(image=image, chunks=[b"x" * 512], actor=OWNER, now=timezone.now())
    stage(client_for(OWNER), queued(OWNER), b"x" * (1024**2 + 1))
    QuotaLimit.objects.create(project_id="p1", resource="image_size_total", limit=7)

    usage = client_for(OWNER).get("/image/v2/info/usage").json()["usage"]
    other = client_for(ACTORS["foreign member"]).get("/image/v2/info/usage").json()["usage"]

    assert usage == {
        "image_size_total": {"limit": 7, "usage": 3},
        "image_stage_total": {"limit": -1, "usage": 2},
        "image_count_total": {"limit": 1000, "usage": 2},
        "image_count_uploading": {"limit": -1, "usage": 1},
    }
    assert {row["usage"] for row in other.values()} == {0}
    assert client_for(ACTORS["without role"]).get("/image/v2/info/usage").status_code == 403


@pytest.mark.parametrize(
    "path", ["info/import", "info/usage", "images/x/tasks", "images/x/members"]
)
def test_everything_needs_a_token(client, path):
    assert client.get(f"/image/v2/{path}").status_code == 401

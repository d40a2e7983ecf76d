"""Images that are shared: who may share, who sees what, and whose word counts."""

import pytest
from django.utils import timezone

from images.members import MAX_MEMBERS, add_member
from images.models import ImageMember
from servers.create_checks import find_image
from servers.errors import InvalidServerRequest
from tests.images.conftest import actor_with

pytestmark = pytest.mark.django_db
OWNER = actor_with("member")
TAKER = actor_with("member", "p2")
ACTORS = {
    "reader": actor_with("reader"),
    "member": OWNER,
    "admin": actor_with("admin", "p-admin"),
    "without role": actor_with(""),
    "taking reader": actor_with("reader", "p2"),
    "taking member": TAKER,
    "third member": actor_with("member", "p3"),
}


def address_of(image, *more):
    return "/".join([f"/image/v2/images/{image.pk}/members", *more])


@pytest.fixture
def shared(queued):
    """An image of p1 that is shared with p2."""
    image = queued(OWNER)
    add_member(image_id=image.pk, member="p2", actor=OWNER, now=timezone.now())
    return image


def listed(client, query=""):
    return [each["id"] for each in client.get(f"/image/v2/images?{query}").json()["images"]]


def test_image_is_shared_taken_up_and_taken_back(client_for, queued):
    image = queued(OWNER)
    owner, taker = client_for(OWNER), client_for(TAKER)
    assert taker.get(address_of(image)).status_code == 404

    made = owner.post(address_of(image), {"member": "p2"}, format="json")

    assert made.status_code == 200
    body = made.json()
    assert {key: body[key] for key in ("member_id", "image_id", "status", "schema")} == {
        "member_id": "p2",
        "image_id": str(image.pk),
        "status": "pending",
        "schema": "/v2/schemas/member",
    }
    # It is asked for its word, so it may look; its lists hold what it has accepted.
    assert taker.get(f"/image/v2/images/{image.pk}").status_code == 200
    assert listed(taker) == []
    assert listed(taker, "member_status=pending") == [str(image.pk)]
    accepted = taker.put(address_of(image, "p2"), {"status": "accepted"}, format="json")
    assert (accepted.status_code, accepted.json()["status"]) == (200, "accepted")
    assert listed(taker) == listed(taker, "visibility=shared") == [str(image.pk)]
    assert listed(taker, "owner=p1") == [str(image.pk)]
    assert listed(taker, "member_status=rejected") == []
    assert owner.get(address_of(image)).json() == {
        "members": [accepted.json()],
        "schema": "/v2/schemas/members",
    }

    assert owner.delete(address_of(image, "p2")).status_code == 204
    assert taker.get(f"/image/v2/images/{image.pk}").status_code == 404
    assert owner.delete(address_of(image, "p2")).status_code == 404


@pytest.mark.parametrize(
    ("who", "see", "share", "answer", "withdraw"),
    [
        ("reader", 200, 403, 403, 403),
        ("member", 200, 200, 403, 204),
        ("admin", 200, 200, 200, 204),
        ("without role", 403, 403, 403, 403),
        ("taking reader", 200, 403, 403, 403),
        ("taking member", 200, 403, 200, 403),
        ("third member", 404, 404, 404, 404),
    ],
)
def test_who_may_do_what_with_members(client_for, shared, who, see, share, answer, withdraw):
    client = client_for(ACTORS[who])

    assert client.get(address_of(shared)).status_code == see
    assert client.get(address_of(shared, "p2")).status_code == see
    posted = client.post(address_of(shared), {"member": "p9"}, format="json")
    assert posted.status_code == share
    put = client.put(address_of(shared, "p2"), {"status": "accepted"}, format="json")
    assert put.status_code == answer
    assert client.delete(address_of(shared, "p2")).status_code == withdraw


def test_member_learns_of_no_other_member(client_for, shared):
    add_member(image_id=shared.pk, member="p3", actor=OWNER, now=timezone.now())
    client = client_for(TAKER)

    assert [each["member_id"] for each in client.get(address_of(shared)).json()["members"]] == [
        "p2"
    ]
    assert client.get(address_of(shared, "p3")).status_code == 404
    answer = client.put(address_of(shared, "p3"), {"status": "rejected"}, format="json")
    assert answer.status_code == 404


def test_member_changes_nothing_but_its_own_word(client_for, shared):
    client = client_for(TAKER)
    address = f"/image/v2/images/{shared.pk}"

    assert client.put(f"{address}/tags/x").status_code == 403
    assert client.delete(address).status_code == 403
    upload = client.generic("PUT", f"{address}/file", b"x", "application/octet-stream")
    assert upload.status_code == 403


@pytest.mark.parametrize("visibility", ["private", "community", "public"])
def test_only_shared_images_have_members(client_for, queued, visibility):
    image = queued(ACTORS["admin"], owner="p1", visibility=visibility)
    client = client_for(OWNER)

    assert client.get(address_of(image)).status_code == 403
    assert client.post(address_of(image), {"member": "p2"}, format="json").status_code == 403
    assert client.delete(address_of(image, "p2")).status_code == 403


def test_members_are_kept_while_an_image_is_not_shared(client_for, shared):
    ImageMember.objects.update(status="accepted")
    taker = client_for(TAKER)

    type(shared).objects.filter(pk=shared.pk).update(visibility="private")
    assert listed(taker) == []
    assert taker.get(f"/image/v2/images/{shared.pk}").status_code == 404
    type(shared).objects.filter(pk=shared.pk).update(visibility="shared")

    assert listed(taker) == [str(shared.pk)]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"member": "p2"}, 409),
        ({"member": ""}, 400),
        ({"member": 3}, 400),
        ({"member": "x" * 256}, 400),
        ({}, 400),
        ([], 400),
        (None, 400),
    ],
)
def test_bad_member_is_refused(client_for, shared, body, status):
    posted = client_for(OWNER).post(address_of(shared), body, format="json")

    assert posted.status_code == status
    assert posted.json()["error"]["code"] == status


@pytest.mark.parametrize("body", [{"status": "maybe"}, {"status": None}, {"member": "p2"}, []])
def test_bad_answer_is_refused(client_for, shared, body):
    address = address_of(shared, "p2")

    assert client_for(TAKER).put(address, body, format="json").status_code == 400


def test_number_of_members_is_bounded(client_for, shared):
    rows = [ImageMember(image=shared, member=f"m{number}") for number in range(MAX_MEMBERS - 1)]
    ImageMember.objects.bulk_create(rows)

    posted = client_for(OWNER).post(address_of(shared), {"member": "p9"}, format="json")

    assert posted.status_code == 413


def test_lists_of_members_take_a_constant_number_of_queries(
    client_for, shared, django_assert_num_queries
):
    rows = [ImageMember(image=shared, member=f"m{number}") for number in range(20)]
    ImageMember.objects.bulk_create(rows)
    client = client_for(OWNER)

    with django_assert_num_queries(2):
        client.get(address_of(shared))


@pytest.mark.parametrize("name", ["image", "images", "member", "members"])
def test_schemas_are_served(client_for, name):
    schema = client_for(OWNER).get(f"/image/v2/schemas/{name}")

    assert schema.status_code == 200
    assert schema.json()["name"] == name


def test_servers_start_from_images_that_are_shared(shared):
    assert find_image(shared.pk, TAKER).pk == shared.pk
    with pytest.raises(InvalidServerRequest):
        find_image(shared.pk, ACTORS["third member"])

"""Images in the words of the compute API."""

from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from images.models import Image, ImageStatus, Visibility
from tests.authorisation import (
    FOREIGN_PROJECT,
    MEMBERS,
    OWN_PROJECT,
    READERS,
    Endpoint,
    client_as,
    matrix,
)

BASE = "/compute/v2.1/images"
ONE = f"{BASE}/{{image}}"
ANY_READER = READERS | {"foreign reader", "foreign member", "foreign manager"}
META = {"metadata": {"a": "b"}}
OLD = "2.35"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("endpoint", "who"),
    matrix(
        Endpoint(method, path, ok, allowed, body, microversion=OLD)
        for method, path, ok, allowed, body in [
            ("GET", BASE, 200, ANY_READER, None),
            ("GET", f"{BASE}/detail", 200, ANY_READER, None),
            ("GET", ONE, 200, ANY_READER, None),
            ("DELETE", ONE, 204, MEMBERS, None),
            ("GET", f"{ONE}/metadata", 200, ANY_READER, None),
            ("POST", f"{ONE}/metadata", 200, MEMBERS, META),
            ("PUT", f"{ONE}/metadata", 200, MEMBERS, META),
            ("GET", f"{ONE}/metadata/color", 200, ANY_READER, None),
            ("PUT", f"{ONE}/metadata/color", 200, MEMBERS, {"meta": {"color": "blue"}}),
            ("DELETE", f"{ONE}/metadata/color", 204, MEMBERS, None),
        ]
    ),
)
def test_who_may_do_what(endpoint, who, image, tmp_path, settings):
    Image.objects.update(properties={"color": "red"})

    assert endpoint.status(who, image=image.pk) == endpoint.expected(who)


@pytest.mark.django_db
def test_an_image_of_another_project_is_not_found(image):
    Image.objects.update(owner=FOREIGN_PROJECT, visibility=Visibility.PRIVATE)

    answer = client_as("member").get(f"{BASE}/{image.pk}")

    assert answer.status_code == 404
    assert answer.json()["itemNotFound"]["message"] == "Image not found."


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "last", "after_last"),
    [("", "2.35", "2.36"), ("/detail", "2.35", "2.36"), ("/{}", "2.35", "2.36"),
     ("/{}/metadata", "2.38", "2.39"), ("/{}/metadata/color", "2.38", "2.39")],
)  # fmt: skip
def test_images_end_at_2_35_and_their_metadata_at_2_38(image, path, last, after_last):
    Image.objects.update(properties={"color": "red"})
    address = BASE + path.format(image.pk)

    assert client_as("reader", last).get(address).status_code == 200
    assert client_as("reader", after_last).get(address).status_code == 404


@pytest.mark.django_db
def test_an_image_shows_what_is_known_of_it(image):
    server_id = "11111111-1111-1111-1111-111111111111"
    Image.objects.update(min_ram_mib=64, properties={"instance_uuid": server_id})

    shown = client_as("reader").get(f"{BASE}/{image.pk}").json()["image"]

    assert (shown["id"], shown["name"]) == (str(image.pk), "tiny")
    assert (shown["status"], shown["progress"]) == ("ACTIVE", 100)
    assert (shown["minRam"], shown["minDisk"]) == (64, 0)
    assert shown["OS-EXT-IMG-SIZE:size"] == 50 * 1024**2
    assert shown["metadata"] == {"instance_uuid": server_id}
    assert shown["server"]["id"] == server_id
    assert [link["rel"] for link in shown["links"]] == ["self", "bookmark", "alternate"]
    assert shown["created"].endswith("Z")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (ImageStatus.QUEUED, ("SAVING", 25)),
        (ImageStatus.SAVING, ("SAVING", 50)),
        (ImageStatus.KILLED, ("ERROR", 0)),
        (ImageStatus.DEACTIVATED, ("UNKNOWN", 0)),
    ],
)
def test_states_have_older_words(image, status, expected):
    Image.objects.update(status=status)

    shown = client_as("reader").get(f"{BASE}/{image.pk}").json()["image"]

    assert (shown["status"], shown["progress"]) == expected


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("name=tiny", ["tiny"]),
        ("name=no", []),
        ("status=active", ["tiny"]),
        ("status=saving", ["big"]),
        ("minRam=512", ["big"]),
        ("minDisk=0", ["big", "tiny"]),
        ("property-color=red", ["tiny"]),
        ("type=snapshot", ["big"]),
        ("server=http://x/servers/s1", ["big"]),
        ("changes-since=2001-01-01T00:00:00Z", ["big", "tiny"]),
        ("changes-since=2101-01-01T00:00:00Z", []),
    ],
)
def test_lists_are_filtered(image, query, names):
    Image.objects.update(properties={"color": "red"})
    Image.objects.create(
        name="big", owner=OWN_PROJECT, status=ImageStatus.SAVING, min_ram_mib=512,
        properties={"image_type": "snapshot", "instance_uuid": "s1"},
    )  # fmt: skip

    found = client_as("reader").get(f"{BASE}?{query}").json()["images"]

    assert sorted(each["name"] for each in found) == names


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["minRam=x", "changes-since=soon", "marker=x", "limit=-1"])
def test_filters_are_checked(query):
    assert client_as("reader").get(f"{BASE}?{query}").status_code == 400


@pytest.mark.django_db
def test_pages_follow_each_other_at_a_constant_cost(image):
    Image.objects.bulk_create(
        Image(name=f"i{number}", owner=OWN_PROJECT, status="active") for number in range(4)
    )
    client = client_as("reader")
    with CaptureQueriesContext(connection) as queries:
        first = client.get(f"{BASE}/detail?limit=3").json()
    cost = len(queries)
    query = parse_qs(urlsplit(first["images_links"][0]["href"]).query)

    second = client.get(f"{BASE}/detail", {key: value[0] for key, value in query.items()}).json()

    assert len(first["images"]) == 3
    assert len(second["images"]) == 2
    assert "images_links" not in second
    assert cost == 1


@pytest.mark.django_db
def test_metadata_is_added_replaced_and_dropped(image):
    client = client_as("member", "2.38")
    address = f"{BASE}/{image.pk}/metadata"

    added = client.post(address, {"metadata": {"a": "1", "b": "2"}}).json()
    replaced = client.put(address, {"metadata": {"b": "3"}}).json()
    one = client.put(f"{address}/c", {"meta": {"c": "4"}}).json()
    dropped = client.delete(f"{address}/b")

    assert added == {"metadata": {"a": "1", "b": "2"}}
    assert replaced == {"metadata": {"b": "3"}}
    assert one == {"meta": {"c": "4"}}
    assert dropped.status_code == 204
    assert client.get(address).json() == {"metadata": {"c": "4"}}
    assert client.get(f"{address}/b").status_code == 404
    assert client.delete(f"{address}/b").status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("post", "", {"metadata": {"name": "new"}}, 400),
        ("post", "", {"metadata": {"size": "1"}}, 400),
        ("post", "", {"metadata": {"a": 1}}, 400),
        ("post", "", {"metadata": {str(number): "x" for number in range(129)}}, 403),
        ("put", "/a", {"meta": {"b": "x"}}, 400),
        ("put", "/a", {"meta": {"a": "x", "b": "x"}}, 400),
    ],
)
def test_metadata_never_is_an_attribute_nor_too_much(image, method, path, body, status):
    address = f"{BASE}/{image.pk}/metadata{path}"

    assert getattr(client_as("member"), method)(address, body).status_code == status
    assert Image.objects.get().name == "tiny"


@pytest.mark.django_db
def test_a_protected_image_stays(image):
    Image.objects.update(is_protected=True)

    assert client_as("member").delete(f"{BASE}/{image.pk}").status_code == 403
    assert Image.objects.get().status == ImageStatus.ACTIVE

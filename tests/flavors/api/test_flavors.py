import json

import pytest

from flavors.models import Flavor
from tests.authorisation import (
    ADMINS,
    EVERYBODY,
    FOREIGN_PROJECT,
    OWN_PROJECT,
    Endpoint,
    client_as,
    matrix,
)
from tests.flavors.factories import make_flavor

pytestmark = pytest.mark.django_db
URL = "/compute/v2.1/flavors"
BODY = {"flavor": {"name": "m1", "ram": 64, "vcpus": 1, "disk": 0}}


def names(answer):
    return [flavor["name"] for flavor in answer.json()["flavors"]]


def message(answer):
    [fault] = answer.json().values()
    return fault["message"]


@pytest.mark.parametrize(
    ("endpoint", "who"),
    matrix(
        [
            Endpoint("GET", URL, 200, EVERYBODY),
            Endpoint("GET", URL + "/detail", 200, EVERYBODY),
            Endpoint("GET", URL + "/{flavor}", 200, EVERYBODY),
            Endpoint("POST", URL, 200, ADMINS, BODY),
            Endpoint("PUT", URL + "/{flavor}", 200, ADMINS, {"flavor": {"description": "d"}}),
            Endpoint("DELETE", URL + "/{flavor}", 202, ADMINS),
        ]
    ),
)
def test_who_may_do_what(endpoint, who):
    flavor = make_flavor()

    assert endpoint.status(who, flavor=flavor.flavorid) == endpoint.expected(who)


def test_creation_shows_the_whole_flavor_at_the_oldest_version():
    answer = client_as("admin").post(
        URL,
        {
            "flavor": {
                "name": "m1.tiny",
                "id": 7,
                "ram": "128",
                "vcpus": 2,
                "disk": 3,
                "OS-FLV-EXT-DATA:ephemeral": 4,
                "swap": 0,
                "rxtx_factor": "1.5",
                "os-flavor-access:is_public": "no",
            }
        },
    )

    assert answer.status_code == 200
    assert answer.json() == {
        "flavor": {
            "id": "7",
            "name": "m1.tiny",
            "ram": 128,
            "disk": 3,
            "vcpus": 2,
            "swap": "",
            "OS-FLV-EXT-DATA:ephemeral": 4,
            "os-flavor-access:is_public": False,
            "OS-FLV-DISABLED:disabled": False,
            "rxtx_factor": 1.5,
            "links": [
                {"rel": "self", "href": "http://127.0.0.1:8000/compute/v2.1/flavors/7"},
                {"rel": "bookmark", "href": "http://127.0.0.1:8000/compute/flavors/7"},
            ],
        }
    }


@pytest.mark.parametrize(
    ("microversion", "shown", "hidden"),
    [
        ("2.54", {"rxtx_factor"}, {"description", "extra_specs"}),
        ("2.55", {"description"}, {"extra_specs"}),
        ("2.60", {"description"}, {"extra_specs"}),
        ("2.61", {"extra_specs"}, set()),
        ("2.101", {"rxtx_factor", "OS-FLV-DISABLED:disabled"}, set()),
        ("2.102", {"extra_specs"}, {"rxtx_factor", "OS-FLV-DISABLED:disabled"}),
    ],
)
def test_fields_come_and_go_with_the_version(microversion, shown, hidden):
    flavor = make_flavor(extra_specs={"a": "b"})
    client = client_as("member", microversion)

    for answer in [
        client.get(f"{URL}/{flavor.flavorid}").json()["flavor"],
        client.get(f"{URL}/detail").json()["flavors"][0],
    ]:
        assert shown <= set(answer)
        assert not hidden & set(answer)


@pytest.mark.parametrize(("microversion", "swap"), [("2.74", ""), ("2.75", 0)])
def test_no_swap_is_an_empty_text_before_2_75(microversion, swap):
    flavor = make_flavor()

    answer = client_as("member", microversion).get(f"{URL}/{flavor.flavorid}")

    assert answer.json()["flavor"]["swap"] == swap


def test_extra_specs_are_hidden_from_those_without_a_role():
    flavor = make_flavor()

    answer = client_as("without role", "2.61").get(f"{URL}/{flavor.flavorid}")

    assert "extra_specs" not in answer.json()["flavor"]


@pytest.mark.parametrize(("microversion", "status"), [("2.54", 404), ("2.55", 200)])
def test_describing_exists_since_2_55(microversion, status):
    flavor = make_flavor()

    answer = client_as("admin", microversion).put(
        f"{URL}/{flavor.flavorid}", {"flavor": {"description": "small"}}
    )

    assert answer.status_code == status


@pytest.mark.parametrize(
    ("microversion", "field", "value", "status"),
    [
        ("2.54", "description", "d", 400),
        ("2.55", "description", "d", 200),
        ("2.55", "description", None, 200),
        ("2.101", "rxtx_factor", 1, 200),
        ("2.102", "rxtx_factor", 1, 400),
        ("2.1", "unheard_of", 1, 400),
        ("2.1", "id", "ok id_1.2-3", 200),
        ("2.1", "id", None, 200),
        ("2.1", "id", " x", 400),
        ("2.1", "id", "", 400),
        ("2.1", "id", "a/b", 400),
        ("2.1", "id", "x" * 256, 400),
        ("2.1", "name", " m", 400),
        ("2.1", "name", "", 400),
        ("2.1", "name", "x" * 256, 400),
        ("2.1", "ram", 0, 400),
        ("2.1", "ram", "0", 400),
        ("2.1", "ram", 2**31, 400),
        ("2.1", "ram", str(2**31), 400),
        ("2.1", "ram", "1" * 5000, 400),
        ("2.1", "ram", 1.5, 400),
        ("2.1", "vcpus", "4", 200),
        ("2.1", "disk", -1, 400),
        ("2.1", "swap", "-1", 400),
        ("2.1", "rxtx_factor", 0, 400),
        ("2.1", "rxtx_factor", "0.0", 400),
        ("2.1", "rxtx_factor", 1e39, 400),
        ("2.1", "os-flavor-access:is_public", "perhaps", 400),
    ],
)
def test_values_are_checked_at_creation(microversion, field, value, status):
    body = {"flavor": {**BODY["flavor"], field: value}}

    answer = client_as("admin", microversion).post(URL, body)

    assert answer.status_code == status, answer.content


@pytest.mark.parametrize("missing", ["name", "ram", "vcpus", "disk"])
def test_what_is_needed_is_asked_for(missing):
    body = {"flavor": {key: value for key, value in BODY["flavor"].items() if key != missing}}

    answer = client_as("admin").post(URL, body)

    assert answer.status_code == 400
    assert missing in message(answer)


def test_a_taken_id_or_name_is_a_conflict():
    make_flavor(flavorid="1", name="one")
    client = client_as("admin")

    same_id = client.post(URL, {"flavor": {**BODY["flavor"], "id": "1"}})
    same_name = client.post(URL, {"flavor": {**BODY["flavor"], "name": "one"}})

    assert (same_id.status_code, message(same_id)) == (409, "Flavor with ID 1 already exists.")
    assert message(same_name) == "Flavor with name one already exists."
    assert Flavor.objects.count() == 1


def test_private_flavors_are_shown_to_those_they_are_shared_with():
    make_flavor(flavorid="1", name="public")
    make_flavor(flavorid="2", name="shared", is_public=False, shared_with=[OWN_PROJECT])
    make_flavor(flavorid="3", name="foreign", is_public=False, shared_with=[FOREIGN_PROJECT])
    make_flavor(flavorid="4", name="private", is_public=False)

    member, admin = client_as("member"), client_as("admin")

    assert names(member.get(URL)) == ["public", "shared"]
    assert names(member.get(URL, {"is_public": "None"})) == ["public", "shared"]
    assert names(admin.get(URL)) == ["public", "shared"]
    assert names(admin.get(URL, {"is_public": "false"})) == ["shared", "foreign", "private"]
    assert names(admin.get(URL, {"is_public": "None"})) == [
        "public",
        "shared",
        "foreign",
        "private",
    ]
    assert member.get(f"{URL}/3").status_code == 404
    assert message(member.get(f"{URL}/3")) == "Flavor 3 could not be found."
    assert member.get(f"{URL}/2").status_code == 200
    assert admin.get(f"{URL}/4").status_code == 200


def test_disabled_flavors_are_listed_to_administrators_only():
    make_flavor(name="off", is_disabled=True)

    assert names(client_as("member").get(URL)) == []
    assert names(client_as("admin").get(URL)) == ["off"]


@pytest.mark.parametrize(
    ("microversion", "query", "expected"),
    [
        ("2.1", {}, ["a", "b", "c"]),
        ("2.1", {"minRam": 128}, ["b", "c"]),
        ("2.1", {"minDisk": "5"}, ["c"]),
        ("2.1", {"minRam": "9" * 30}, []),
        ("2.1", {"sort_key": "memory_mb", "sort_dir": "desc"}, ["c", "b", "a"]),
        ("2.1", {"sort_key": "description"}, ["a", "c", "b"]),
        ("2.1", {"limit": 2}, ["a", "b"]),
        ("2.1", {"limit": 2, "marker": "2"}, ["c"]),
        ("2.1", {"sort_key": "memory_mb", "sort_dir": "desc", "marker": "3"}, ["b", "a"]),
        ("2.1", {"sort_key": "description", "marker": "3"}, ["b"]),
        ("2.101", {"name": "b"}, 400),
        ("2.102", {"name": "b"}, ["b"]),
        ("2.74", {"whatever": "x"}, ["a", "b", "c"]),
        ("2.75", {"whatever": "x"}, 400),
        ("2.1", {"minRam": "x"}, 400),
        ("2.1", {"minDisk": "x"}, 400),
        ("2.1", {"limit": "-1"}, 400),
        ("2.1", {"limit": "x"}, 400),
        ("2.1", {"marker": "nowhere"}, 400),
        ("2.1", {"sort_key": "colour"}, 400),
        ("2.1", {"sort_dir": "up"}, 400),
        ("2.1", {"is_public": "perhaps"}, 400),
        ("2.101", {"sort_key": "rxtx_factor"}, ["a", "b", "c"]),
        ("2.102", {"sort_key": "rxtx_factor"}, 400),
    ],
)
def test_lists_follow_their_query(microversion, query, expected):
    make_flavor(flavorid="1", name="a", ram_mib=64)
    make_flavor(flavorid="2", name="b", ram_mib=128, description="x")
    make_flavor(flavorid="3", name="c", ram_mib=256, disk_gib=5)

    answer = client_as("admin", microversion).get(URL, query)

    if expected == 400:
        assert answer.status_code == 400
    else:
        assert answer.status_code == 200, answer.content
        assert names(answer) == expected


def test_pages_lead_to_the_next_one():
    for name in "abc":
        make_flavor(flavorid=name, name=name)
    client = client_as("member")

    first = client.get(f"{URL}/detail", {"limit": 2})
    [link] = first.json()["flavors_links"]
    second = client.get(link["href"].removeprefix("http://127.0.0.1:8000"))

    assert "/flavors/detail?limit=2&marker=b" in link["href"]
    assert names(second) == ["c"]
    assert "flavors_links" not in second.json()


def test_links_have_the_project_when_the_request_had():
    make_flavor(flavorid="1")

    answer = client_as("member").get(f"/compute/v2.1/{OWN_PROJECT}/flavors")

    [flavor] = answer.json()["flavors"]
    assert flavor["links"][0]["href"].endswith(f"/compute/v2.1/{OWN_PROJECT}/flavors/1")


def test_a_foreign_project_in_the_address_is_malformed():
    answer = client_as("member").get(f"/compute/v2.1/{FOREIGN_PROJECT}/flavors")

    assert answer.status_code == 400
    assert message(answer).startswith("Malformed request URL")


@pytest.mark.parametrize(("microversion", "status"), [("2.101", 200), ("2.102", 400)])
def test_showing_ignores_unknown_queries_until_2_102(microversion, status):
    flavor = make_flavor()

    answer = client_as("member", microversion).get(f"{URL}/{flavor.flavorid}", {"x": 1})

    assert answer.status_code == status


def test_deleting_twice_finds_nothing():
    flavor = make_flavor()
    client = client_as("admin")

    first = client.delete(f"{URL}/{flavor.flavorid}")
    second = client.delete(f"{URL}/{flavor.flavorid}")

    assert (first.status_code, first.content) == (202, b"")
    assert second.status_code == 404


@pytest.mark.parametrize("number", [3, 30])
def test_a_list_costs_one_query_however_long(number, django_assert_num_queries):
    for _ in range(number):
        make_flavor(extra_specs={"a": "b"})

    with django_assert_num_queries(1):
        answer = client_as("member", "2.61").get(f"{URL}/detail")

    assert len(names(answer)) == number


@pytest.mark.parametrize(
    "body", [None, [], {}, {"flavor": None}, {"flavor": BODY["flavor"], "x": 1}]
)
def test_bodies_of_another_shape_are_refused(body):
    answer = client_as("admin").generic(
        "POST", URL, "" if body is None else json.dumps(body), "application/json"
    )

    assert answer.status_code == 400

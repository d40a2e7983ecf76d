"""Aggregates, which administrators keep, as the clients know them."""

from uuid import UUID

import pytest

from hypervisors.models import Aggregate
from tests.authorisation import ADMINS, Endpoint, client_as, matrix
from tests.hypervisors.factories import make_hypervisor, put_server_on

pytestmark = pytest.mark.django_db
AGGREGATES = "/compute/v2.1/os-aggregates"
ONE = AGGREGATES + "/{number}"
ACTION = ONE + "/action"
NEW = {"aggregate": {"name": "fast", "availability_zone": "az9"}}


@pytest.fixture
def aggregate():
    made = Aggregate.objects.create(name="left", availability_zone="az1", metadata={"ssd": "true"})
    made.hypervisors.add(make_hypervisor(name="beta"), make_hypervisor(name="alpha"))
    return made


def plain(name="plain", zone="", *hosts):
    made = Aggregate.objects.create(name=name, availability_zone=zone)
    made.hypervisors.add(*hosts)
    return made


def admin(microversion="2.104"):
    return client_as("admin", microversion)


def act(aggregate, name, **values):
    return admin().post(f"{AGGREGATES}/{aggregate.pk}/action", {name: values})


def message(answer):
    [fault] = answer.json().values()
    return fault["message"]


@pytest.mark.parametrize(
    ("endpoint", "who"),
    matrix(
        [
            Endpoint("GET", AGGREGATES, 200, ADMINS),
            Endpoint("POST", AGGREGATES, 200, ADMINS, NEW),
            Endpoint("GET", ONE, 200, ADMINS),
            Endpoint("PUT", ONE, 200, ADMINS, {"aggregate": {"name": "other"}}),
            Endpoint("DELETE", AGGREGATES + "/{empty}", 200, ADMINS),
            Endpoint("POST", ACTION, 200, ADMINS, {"add_host": {"host": "gamma"}}),
            Endpoint("POST", ACTION, 200, ADMINS, {"remove_host": {"host": "alpha"}}),
            Endpoint("POST", ACTION, 200, ADMINS, {"set_metadata": {"metadata": {"a": "b"}}}),
        ]
    ),
)
def test_who_may_do_what(endpoint, who, aggregate):
    make_hypervisor(name="gamma")

    status = endpoint.status(who, number=aggregate.pk, empty=plain().pk)

    assert status == endpoint.expected(who)


def test_the_zone_is_among_the_metadata(aggregate):
    [listed] = client_as("admin", "2.41").get(AGGREGATES).json()["aggregates"]

    assert listed == {
        "id": aggregate.pk,
        "uuid": str(aggregate.uuid),
        "name": "left",
        "availability_zone": "az1",
        "hosts": ["alpha", "beta"],
        "metadata": {"ssd": "true", "availability_zone": "az1"},
        "created_at": f"{aggregate.created_at:%Y-%m-%dT%H:%M:%S.%f}",
        "updated_at": None,
        "deleted": False,
        "deleted_at": None,
    }


def test_one_without_a_zone_shows_none_and_no_uuid_before_2_41():
    made = plain()

    shown = client_as("admin", "2.40").get(f"{AGGREGATES}/{made.pk}").json()["aggregate"]

    assert (shown["availability_zone"], shown["metadata"]) == (None, {})
    assert "uuid" not in shown


@pytest.mark.parametrize(
    ("identifier", "status"), [("7", 404), ("9" * 30, 404), ("left", 400), ("-1", 400)]
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_what_is_no_aggregate_is_refused(method, identifier, status):
    assert admin().generic(method, f"{AGGREGATES}/{identifier}").status_code == status


@pytest.mark.parametrize("microversion", ["2.40", "2.41"])
def test_a_new_one_is_answered_without_hosts_and_metadata(microversion):
    answer = admin(microversion).post(AGGREGATES, NEW)

    made = Aggregate.objects.get()
    expected = {
        "id": made.pk,
        "name": "fast",
        "availability_zone": "az9",
        "created_at": f"{made.created_at:%Y-%m-%dT%H:%M:%S.%f}",
        "updated_at": None,
        "deleted": False,
        "deleted_at": None,
    }
    if microversion == "2.41":
        expected["uuid"] = str(made.uuid)
    assert (answer.status_code, answer.json()) == (200, {"aggregate": expected})


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "n"}, 200),
        ({"name": "n", "availability_zone": None}, 200),
        ({"name": "left"}, 409),
        ({}, 400),
        ({"name": " n"}, 400),
        ({"name": "n" * 256}, 400),
        ({"name": "n", "availability_zone": "a:b"}, 400),
        ({"name": "n", "availability_zone": ""}, 400),
        ({"name": "n", "hosts": []}, 400),
    ],
)
def test_what_a_new_one_may_be(aggregate, body, status):
    assert admin().post(AGGREGATES, {"aggregate": body}).status_code == status


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"name": " right "}, 200),
        ({"availability_zone": "az2"}, 200),
        ({"name": "plain"}, 409),
        ({"availability_zone": None}, 400),
        ({}, 400),
        ({"name": "  "}, 400),
    ],
)
def test_name_and_zone_can_change(aggregate, change, status):
    plain()

    answer = admin().put(f"{AGGREGATES}/{aggregate.pk}", {"aggregate": change})

    assert answer.status_code == status, answer.content
    if status == 200:
        shown = answer.json()["aggregate"]
        assert {key: shown[key] for key in change} == {
            key: value.strip() for key, value in change.items()
        }
        assert shown["metadata"]["availability_zone"] == shown["availability_zone"]
        assert shown["updated_at"] is not None
        assert UUID(shown["uuid"]) == aggregate.uuid


def test_only_an_empty_one_is_deleted(aggregate):
    refused = admin().delete(f"{AGGREGATES}/{aggregate.pk}")
    aggregate.hypervisors.clear()
    deleted = admin().delete(f"{AGGREGATES}/{aggregate.pk}")

    assert (refused.status_code, deleted.status_code, deleted.content) == (400, 200, b"")
    assert message(refused).endswith("Reason: Host aggregate is not empty.")
    assert not Aggregate.objects.exists()


def test_hosts_come_and_go(aggregate):
    make_hypervisor(name="gamma")

    with_it = act(aggregate, "add_host", host="gamma").json()["aggregate"]
    again = act(aggregate, "add_host", host="gamma")
    without = act(aggregate, "remove_host", host="gamma").json()["aggregate"]
    gone = act(aggregate, "remove_host", host="gamma")

    assert (with_it["hosts"], without["hosts"]) == (["alpha", "beta", "gamma"], ["alpha", "beta"])
    assert (again.status_code, gone.status_code) == (409, 404)
    assert act(aggregate, "add_host", host="nowhere").status_code == 404


def test_a_host_is_in_one_zone_only():
    host = make_hypervisor(name="alpha")
    plain("here", "east", host)
    same, other, none = plain("same", "east"), plain("other", "west"), plain("none")

    assert act(same, "add_host", host="alpha").status_code == 200
    assert act(none, "add_host", host="alpha").status_code == 200
    refused = act(other, "add_host", host="alpha")
    assert (refused.status_code, "already in availability zone(s) east" in message(refused)) == (
        409,
        True,
    )


@pytest.mark.parametrize("zone", ["west", "nova"])
def test_a_host_with_servers_does_not_change_its_zone_by_joining(zone):
    host = make_hypervisor(name="alpha")
    put_server_on(host)
    joined = plain("new", zone)

    answer = act(joined, "add_host", host="alpha")

    assert answer.status_code == (200 if zone == "nova" else 409)


def test_a_host_with_servers_does_not_change_its_zone_by_leaving():
    host = make_hypervisor(name="alpha")
    put_server_on(host)
    only = plain("only", "east", host)

    refused = act(only, "remove_host", host="alpha")
    plain("second", "east", host)
    allowed = act(only, "remove_host", host="alpha")

    assert (refused.status_code, allowed.status_code) == (409, 200)
    assert "from 'east' to 'nova'" in message(refused)


@pytest.mark.parametrize("by", ["update", "metadata"])
@pytest.mark.parametrize(
    ("has_server", "other_zone", "status"),
    [(False, "", 200), (True, "", 400), (False, "south", 400)],
)
def test_the_zone_of_hosts_changes_unless_they_have_servers_or_another(
    by, has_server, other_zone, status
):
    host = make_hypervisor()
    aggregate = plain("one", "east", host)
    if has_server:
        put_server_on(host)
    if other_zone:
        plain("two", other_zone, host)

    if by == "update":
        body = {"aggregate": {"availability_zone": "west"}}
        answer = admin().put(f"{AGGREGATES}/{aggregate.pk}", body)
    else:
        answer = act(aggregate, "set_metadata", metadata={"availability_zone": "west"})

    assert answer.status_code == status
    aggregate.refresh_from_db()
    assert aggregate.availability_zone == ("west" if status == 200 else "east")


def test_metadata_is_merged_and_null_removes(aggregate):
    answer = act(aggregate, "set_metadata", metadata={"ssd": None, "gpu": "1", "never": None})

    assert answer.json()["aggregate"]["metadata"] == {"gpu": "1", "availability_zone": "az1"}
    aggregate.refresh_from_db()
    assert aggregate.metadata == {"gpu": "1"}


@pytest.mark.parametrize(
    "metadata",
    [
        *({"a": 1}, {"a" * 256: "b"}, {"ä": "b"}, {"a": "b" * 256}, {"availability_zone": None}),
        *({"cloudportal:cpu": "EPYC"}, {"cloudportal:machine_type": "q35"}),
    ],
)
def test_metadata_that_is_none_is_refused(aggregate, metadata):
    assert act(aggregate, "set_metadata", metadata=metadata).status_code == 400


@pytest.mark.parametrize(
    "body", [{"dance": {}}, {}, {"add_host": {"host": "a"}, "remove_host": {"host": "a"}}, []]
)
def test_one_action_that_exists_is_in_the_body(aggregate, body):
    assert admin().post(f"{AGGREGATES}/{aggregate.pk}/action", body).status_code == 400


@pytest.mark.parametrize("number", [2, 12])
def test_the_list_costs_two_queries_however_long(number, django_assert_num_queries):
    for index in range(number):
        plain(f"a{index}", "", make_hypervisor())

    with django_assert_num_queries(2):
        answer = admin().get(AGGREGATES)

    assert len(answer.json()["aggregates"]) == number

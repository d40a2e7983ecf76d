from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from hypervisors.models import Aggregate, Hypervisor
from operations.models import Timer
from tests.authorisation import ADMINS, EVERYBODY, Endpoint, client_as, matrix
from tests.hypervisors.factories import make_hypervisor, put_server_on

pytestmark = pytest.mark.django_db
SERVICES = "/compute/v2.1/os-services"
ZONES = "/compute/v2.1/os-availability-zone"
WHICH = {"host": "alpha", "binary": "nova-compute"}


def admin(microversion="2.1"):
    return client_as("admin", microversion)


def message(answer):
    [fault] = answer.json().values()
    return fault["message"]


@pytest.mark.parametrize(
    ("endpoint", "who"),
    matrix(
        [
            Endpoint("GET", SERVICES, 200, ADMINS),
            Endpoint("PUT", SERVICES + "/{uuid}", 200, ADMINS, {"status": "disabled"}),
            Endpoint("PUT", SERVICES + "/disable", 200, ADMINS, WHICH, microversion="2.1"),
            Endpoint("DELETE", SERVICES + "/{uuid}", 204, ADMINS),
            Endpoint("GET", ZONES, 200, EVERYBODY),
            Endpoint("GET", ZONES + "/detail", 200, ADMINS),
        ]
    ),
)
def test_who_may_do_what(endpoint, who):
    host = make_hypervisor(name="alpha")

    assert endpoint.status(who, uuid=host.uuid) == endpoint.expected(who)


def test_a_host_is_a_compute_service():
    host = make_hypervisor(name="alpha", is_enabled=False, disabled_reason="old")

    old = admin("2.10").get(SERVICES, {"binary": "nova-compute"}).json()["services"]
    new = admin("2.53").get(SERVICES, {"host": "alpha"}).json()["services"]

    assert old == [
        {
            "id": host.pk,
            "binary": "nova-compute",
            "host": "alpha",
            "zone": "nova",
            "status": "disabled",
            "state": "up",
            "updated_at": None,
            "disabled_reason": "old",
        }
    ]
    assert new == [{**old[0], "id": str(host.uuid), "forced_down": False}]


@pytest.mark.parametrize(("age_s", "state"), [(5, "up"), (500, "down")])
def test_the_portals_own_services_are_up_while_a_worker_takes_turns(age_s, state):
    Timer.objects.create(name="sweep", due_at=timezone.now() - timedelta(seconds=age_s))

    services = admin().get(SERVICES).json()["services"]

    assert {(service["binary"], service["state"]) for service in services} == {
        ("nova-scheduler", state),
        ("nova-conductor", state),
    }
    assert {service["zone"] for service in services} == {"internal"}


def test_a_host_is_switched_by_name_until_2_52():
    make_hypervisor(name="alpha")

    off = admin("2.1").put(f"{SERVICES}/disable-log-reason", {**WHICH, "disabled_reason": "x"})
    on = admin("2.1").put(f"{SERVICES}/enable", WHICH)

    assert off.json() == {
        "service": {**WHICH, "status": "disabled", "disabled_reason": "x"},
    }
    assert on.json() == {"service": {**WHICH, "status": "enabled"}}
    assert Hypervisor.objects.get().disabled_reason == ""
    assert admin("2.53").put(f"{SERVICES}/enable", WHICH).status_code == 400


@pytest.mark.parametrize(("microversion", "status"), [("2.10", 404), ("2.11", 200)])
def test_forcing_down_by_name_exists_since_2_11(microversion, status):
    make_hypervisor(name="alpha")

    answer = admin(microversion).put(f"{SERVICES}/force-down", {**WHICH, "forced_down": True})

    assert answer.status_code == status
    assert Hypervisor.objects.get().is_forced_down is (status == 200)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"host": "beta", "binary": "nova-compute"}, 404),
        ({"host": "alpha", "binary": "nova-network"}, 404),
        ({"host": "cloudportal", "binary": "nova-scheduler"}, 400),
        ({"host": "alpha"}, 400),
    ],
)
def test_only_hosts_can_be_switched(body, status):
    make_hypervisor(name="alpha")

    assert admin("2.1").put(f"{SERVICES}/disable", body).status_code == status


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"status": "disabled", "disabled_reason": "x"}, 200),
        ({"status": "enabled"}, 200),
        ({"forced_down": True}, 200),
        ({"status": "enabled", "disabled_reason": "x"}, 400),
        ({"disabled_reason": "x"}, 400),
        ({}, 400),
        ({"status": "broken"}, 400),
        ({"unheard_of": 1}, 400),
    ],
)
def test_a_service_is_changed_by_its_uuid_since_2_53(body, status):
    host = make_hypervisor()

    answer = admin("2.53").put(f"{SERVICES}/{host.uuid}", body)

    assert answer.status_code == status, answer.content
    if status == 200:
        service = answer.json()["service"]
        assert service["id"] == str(host.uuid)
        assert {key: service[key] for key in body} == body


def test_a_service_that_is_none_is_refused():
    [scheduler] = admin("2.53").get(SERVICES, {"binary": "nova-scheduler"}).json()["services"]

    assert admin("2.53").put(f"{SERVICES}/nonsense", {}).status_code == 400
    assert admin("2.53").put(f"{SERVICES}/{uuid4()}", {"status": "enabled"}).status_code == 404
    refused = admin("2.53").put(f"{SERVICES}/{scheduler['id']}", {"status": "disabled"})
    assert (refused.status_code, "nova-compute" in message(refused)) == (400, True)


def test_zones_are_those_of_aggregates_and_the_default():
    east, plain, off = make_hypervisor(), make_hypervisor(), make_hypervisor(is_enabled=False)
    Aggregate.objects.create(name="e", availability_zone="east").hypervisors.add(east)
    Aggregate.objects.create(name="o", availability_zone="off").hypervisors.add(off)
    Aggregate.objects.create(name="ssd").hypervisors.add(plain)

    short = admin().get(ZONES).json()["availabilityZoneInfo"]
    detail = admin().get(f"{ZONES}/detail").json()["availabilityZoneInfo"]

    assert short == [
        {"zoneName": "east", "zoneState": {"available": True}, "hosts": None},
        {"zoneName": "nova", "zoneState": {"available": True}, "hosts": None},
        {"zoneName": "off", "zoneState": {"available": False}, "hosts": None},
    ]
    by_name = {zone["zoneName"]: zone["hosts"] for zone in detail}
    assert by_name["east"][east.name]["nova-compute"]["available"] is True
    assert by_name["off"] is None
    assert set(by_name["internal"]["cloudportal"]) == {"nova-scheduler", "nova-conductor"}


@pytest.mark.parametrize(("microversion", "status"), [("2.74", 200), ("2.75", 400)])
def test_unknown_queries_are_refused_since_2_75(microversion, status):
    assert admin(microversion).get(SERVICES, {"x": 1}).status_code == status


@pytest.mark.parametrize("url", [SERVICES, f"{ZONES}/detail"])
@pytest.mark.parametrize("number", [2, 12])
def test_a_list_costs_three_queries_however_long(url, number, django_assert_num_queries):
    for _ in range(number):
        make_hypervisor()

    with django_assert_num_queries(3):
        admin("2.53").get(url)


@pytest.mark.parametrize(("microversion", "status"), [("2.101", 200), ("2.102", 400)])
@pytest.mark.parametrize("url", [ZONES, f"{ZONES}/detail"])
def test_unknown_queries_about_zones_are_refused_since_2_102(url, microversion, status):
    assert admin(microversion).get(url, {"x": 1}).status_code == status


def test_an_empty_filter_is_none():
    make_hypervisor(name="alpha")

    services = admin().get(SERVICES, {"host": "", "binary": "nova-compute"}).json()["services"]

    assert [service["host"] for service in services] == ["alpha"]


def test_disabled_hosts_of_a_zone_are_not_told():
    on, off = make_hypervisor(), make_hypervisor(is_enabled=False)

    detail = admin().get(f"{ZONES}/detail").json()["availabilityZoneInfo"]

    [hosts] = [zone["hosts"] for zone in detail if zone["zoneName"] == "nova"]
    assert set(hosts) == {on.name}
    assert off.name not in hosts


@pytest.mark.parametrize(("microversion", "column"), [("2.52", "pk"), ("2.53", "uuid")])
def test_deleting_a_service_forgets_the_host(microversion, column):
    host = make_hypervisor()
    Aggregate.objects.create(name="e").hypervisors.add(host)

    answer = admin(microversion).delete(f"{SERVICES}/{getattr(host, column)}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert not Hypervisor.objects.exists()


def test_a_service_with_servers_is_not_deleted():
    host = make_hypervisor()
    server = put_server_on(host)

    refused = admin("2.53").delete(f"{SERVICES}/{host.uuid}")
    server.deleted_at = timezone.now()
    server.save()
    deleted = admin("2.53").delete(f"{SERVICES}/{host.uuid}")

    assert (refused.status_code, deleted.status_code) == (409, 204)
    assert "hosting instances" in message(refused)


def test_what_is_no_service_is_not_deleted():
    host = make_hypervisor()
    listed = admin("2.53").get(SERVICES, {"binary": "nova-scheduler"}).json()["services"]

    assert admin("2.53").delete(f"{SERVICES}/{host.pk}").status_code == 400
    assert admin("2.53").delete(f"{SERVICES}/{uuid4()}").status_code == 404
    assert admin("2.53").delete(f"{SERVICES}/{listed[0]['id']}").status_code == 400
    assert admin("2.52").delete(f"{SERVICES}/{host.uuid}").status_code == 400
    assert admin("2.52").delete(f"{SERVICES}/{host.pk + 1}").status_code == 404


def test_a_host_that_is_forced_down_gets_no_servers():
    host = make_hypervisor()

    admin("2.53").put(f"{SERVICES}/{host.uuid}", {"forced_down": True})
    down = list(Hypervisor.objects.ready())
    admin("2.53").put(f"{SERVICES}/{host.uuid}", {"forced_down": False})

    assert down == []
    assert list(Hypervisor.objects.ready()) == [host]

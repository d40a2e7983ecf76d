"""Aggregates are read by administrators, as the clients know them."""

import pytest

from hypervisors.models import Aggregate
from tests.authorisation import ADMINS, Endpoint, client_as, matrix
from tests.hypervisors.factories import make_hypervisor

pytestmark = pytest.mark.django_db
AGGREGATES = "/compute/v2.1/os-aggregates"


@pytest.fixture
def aggregate():
    made = Aggregate.objects.create(name="left", availability_zone="az1", metadata={"ssd": "true"})
    made.hypervisors.add(make_hypervisor(name="beta"), make_hypervisor(name="alpha"))
    return made


@pytest.mark.parametrize(
    ("endpoint", "who"),
    matrix(
        [
            Endpoint("GET", AGGREGATES, 200, ADMINS),
            Endpoint("GET", AGGREGATES + "/{number}", 200, ADMINS),
        ]
    ),
)
def test_who_may_do_what(endpoint, who, aggregate):
    assert endpoint.status(who, number=aggregate.pk) == endpoint.expected(who)


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
        "updated_at": f"{aggregate.updated_at:%Y-%m-%dT%H:%M:%S.%f}",
        "deleted": False,
        "deleted_at": None,
    }


def test_one_without_a_zone_shows_none_and_no_uuid_before_2_41():
    made = Aggregate.objects.create(name="plain")

    shown = client_as("admin", "2.40").get(f"{AGGREGATES}/{made.pk}").json()["aggregate"]

    assert (shown["availability_zone"], shown["metadata"]) == (None, {})
    assert "uuid" not in shown


@pytest.mark.parametrize(
    ("identifier", "status"), [("7", 404), ("9" * 30, 404), ("left", 400), ("-1", 400)]
)
def test_what_is_no_aggregate_is_refused(identifier, status):
    assert client_as("admin").get(f"{AGGREGATES}/{identifier}").status_code == status

"""Statements over the wire."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import transaction

from identity.models import Domain, Project
from quotas.consume import consume, release
from tests.authorisation import OWN_PROJECT, OWNER, READERS, Endpoint, client_as, matrix

pytestmark = pytest.mark.django_db
URL = f"/compute/v2.1/os-quota-sets/{OWN_PROJECT}/cloudportal:statement"
PERIOD = {"start": "2026-03-01", "end": "2026-03-02T00:00:00Z"}


@pytest.fixture(autouse=True)
def project():
    domain = Domain.objects.get_or_create(id="default", defaults={"name": "Default"})[0]
    return Project.objects.create(id=OWN_PROJECT, name="own", domain=domain)


def take(hour, **amounts):
    subject = uuid4()
    now = datetime(2026, 3, 1, hour, tzinfo=UTC)
    with transaction.atomic():
        consume(project_id=OWN_PROJECT, subject=subject, amounts=amounts, now=now, user_id=OWNER)
    return subject


@pytest.mark.parametrize(
    ("endpoint", "who"), matrix([Endpoint("GET", URL, ok=200, allowed=READERS)])
)
def test_who_may_do_what(endpoint, who):
    assert endpoint.status(who) == endpoint.expected(who)


def test_it_says_who_held_what_and_how_much_that_is():
    past, held = take(6, cores=2), take(12, cores=1)
    release(subject=past, now=datetime(2026, 3, 1, 9, tzinfo=UTC))

    body = client_as("reader").get(URL, PERIOD).json()["statement"]

    entry = {"resource": "cores", "user_id": OWNER}
    assert body == {
        "project_id": OWN_PROJECT,
        "start": "2026-03-01T00:00:00.000000Z",
        "end": "2026-03-02T00:00:00.000000Z",
        "totals": [{"resource": "cores", "unit_hours": 2 * 3 + 12}],
        "entries": [
            {
                **entry,
                "subject": str(past),
                "amount": 2,
                "started_at": "2026-03-01T06:00:00.000000Z",
                "ended_at": "2026-03-01T09:00:00.000000Z",
            },
            {
                **entry,
                "subject": str(held),
                "amount": 1,
                "started_at": "2026-03-01T12:00:00.000000Z",
                "ended_at": None,
            },
        ],
    }


def test_its_pages_are_of_one_period():
    subjects = [take(hour, ports=1) for hour in (1, 2, 3)]
    client = client_as("member")

    first = client.get(URL, {"start": "2026-03-01", "limit": "2"}).json()["statement"]
    [link] = first["entries_links"]
    rest = client.get(link["href"].removeprefix(settings.PUBLIC_URL)).json()["statement"]

    found = [each["subject"] for each in first["entries"] + rest["entries"]]
    assert found == [str(each) for each in subjects]
    asked = parse_qs(urlsplit(link["href"]).query)
    assert asked["end"] == [first["end"]] == [rest["end"]]
    assert "entries_links" not in rest


@pytest.mark.parametrize(
    "query",
    [
        {"start": "yesterday"},
        {"end": "2026-13-01"},
        {"start": "2026-03-02", "end": "2026-03-01"},
        {"resource": "sandwiches"},
        {"limit": "x"},
        {"marker": "x"},
        {"since": "2026-03-01"},
        {"end": "0001-01-01T00:00:00+14:00"},
        {"end": "0001-01-02"},
        {"start": "9999-01-01", "end": "9999-12-31"},
    ],
)
def test_bad_queries_are_refused(query):
    assert client_as("admin").get(URL, query).status_code == 400


def test_of_no_project_there_is_none():
    answer = client_as("admin").get(URL.replace(OWN_PROJECT, "nobody"))

    assert answer.status_code == 400
    assert "nobody" in answer.json()["badRequest"]["message"]

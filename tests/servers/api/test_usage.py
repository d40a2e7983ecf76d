"""Usage of projects: hours times sizes, of servers that lived in the period."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from servers.models import Server
from servers.states import VmState
from tests.authorisation import (
    ADMINS,
    FOREIGN_PROJECT,
    OWN_PROJECT,
    READERS,
    Endpoint,
    client_as,
    matrix,
)

ALL = "/compute/v2.1/os-simple-tenant-usage"
ONE = f"{ALL}/{OWN_PROJECT}"
AUDIT = "/compute/v2.1/os-instance_usage_audit_log"


def wire(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")


@pytest.fixture
def day(now):
    """A query for a day that begins an hour before the servers do."""
    start = now - timedelta(hours=1)
    return {"start": wire(start), "end": wire(start + timedelta(hours=24))}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("endpoint", "who"),
    matrix(
        [
            Endpoint("GET", ALL, 200, ADMINS),
            Endpoint("GET", ONE, 200, READERS),
            Endpoint("GET", AUDIT, 200, ADMINS),
            Endpoint("GET", f"{AUDIT}/2026-05-01 00:00:00", 200, ADMINS),
        ]
    ),
)
def test_who_may_read_usage(endpoint, who):
    assert endpoint.status(who) == endpoint.expected(who)


@pytest.mark.django_db
def test_a_deleted_server_counts_as_long_as_it_lived(active, now, day):
    active("gone", terminated_at=now + timedelta(hours=2), deleted_at=now, vm_state="deleted")

    usage = client_as("reader").get(ONE, day).json()["tenant_usage"]

    assert usage["tenant_id"] == OWN_PROJECT
    assert (usage["start"], usage["stop"]) == (day["start"], day["end"])
    assert usage["total_hours"] == 2
    assert usage["total_vcpus_usage"] == 2
    assert usage["total_memory_mb_usage"] == 512
    assert usage["total_local_gb_usage"] == 2
    [server] = usage["server_usages"]
    assert server["state"] == "terminated"
    assert server["uptime"] == 7200
    assert (server["started_at"], server["ended_at"]) == (wire(now), wire(now + timedelta(hours=2)))
    assert (server["flavor"], server["vcpus"], server["memory_mb"]) == ("m1.tiny", 1, 256)


@pytest.mark.django_db
def test_a_living_server_counts_to_the_end_of_the_period(active, day):
    active(vm_state=VmState.STOPPED)

    usage = client_as("reader").get(ONE, day).json()["tenant_usage"]

    assert usage["total_hours"] == 23
    assert usage["server_usages"][0]["state"] == "stopped"
    assert usage["server_usages"][0]["ended_at"] is None


@pytest.mark.django_db
@pytest.mark.parametrize("fields", [{"launched_at": None}, {"shift": 48}, {"shift": -48}])
def test_who_did_not_run_in_the_period_used_nothing(active, now, day, fields):
    shift = fields.get("shift")
    if shift:
        fields = {
            "launched_at": now + timedelta(hours=shift),
            "terminated_at": now + timedelta(hours=shift + 1),
        }
    active(**fields)

    assert client_as("reader").get(ONE, day).json() == {"tenant_usage": {}}
    assert client_as("admin").get(ALL, day).json() == {"tenant_usages": []}


@pytest.mark.django_db
@pytest.mark.parametrize(("detailed", "is_shown"), [("0", False), ("1", True), ("", False)])
def test_the_list_tells_of_servers_when_asked_in_detail(active, day, detailed, is_shown):
    active()
    other = active("other")
    Server.objects.filter(pk=other.pk).update(project_id=FOREIGN_PROJECT)

    found = client_as("admin").get(ALL, {**day, "detailed": detailed}).json()["tenant_usages"]

    assert [usage["tenant_id"] for usage in found] == [OWN_PROJECT, FOREIGN_PROJECT]
    assert all(("server_usages" in usage) is is_shown for usage in found)


@pytest.mark.django_db
@pytest.mark.parametrize(("version", "is_paged"), [("2.39", False), ("2.40", True)])
def test_pages_begin_at_2_40(active, day, version, is_paged):
    servers = sorted(str(active(f"web{number}").pk) for number in range(3))
    client = client_as("admin", version)

    body = client.get(ALL, {**day, "detailed": "1", "limit": "2"}).json()

    shown = [each["instance_id"] for each in body["tenant_usages"][0]["server_usages"]]
    assert shown == (servers[:2] if is_paged else servers)
    assert ("tenant_usages_links" in body) is is_paged
    if is_paged:
        [link] = body["tenant_usages_links"]
        query = {key: values[0] for key, values in parse_qs(urlsplit(link["href"]).query).items()}
        rest = client.get(ALL, query).json()
        shown = [each["instance_id"] for each in rest["tenant_usages"][0]["server_usages"]]
        assert shown == servers[2:]
        assert "tenant_usages_links" not in rest


@pytest.mark.django_db
def test_a_project_has_pages_too(active, day):
    servers = sorted(str(active(f"web{number}").pk) for number in range(2))

    body = client_as("reader", "2.40").get(ONE, {**day, "limit": "1"}).json()

    [link] = body["tenant_usage_links"]
    assert urlsplit(link["href"]).path.endswith(f"os-simple-tenant-usage/{OWN_PROJECT}")
    assert f"marker={servers[0]}" in link["href"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("version", "query", "status"),
    [
        ("2.1", {"start": "yesterday"}, 400),
        ("2.1", {"start": "2026-05-02T00:00:00", "end": "2026-05-01T00:00:00"}, 400),
        ("2.1", {"start": "2026-05-01 00:00:00.5", "end": "2026-05-02T00:00:00.5"}, 200),
        ("2.1", {}, 200),
        ("2.39", {"marker": "nobody"}, 200),
        ("2.40", {"marker": "nobody"}, 400),
        ("2.40", {"limit": "-1"}, 400),
        ("2.74", {"color": "red"}, 200),
        ("2.75", {"color": "red"}, 400),
    ],
)
def test_queries_are_checked(version, query, status):
    for path in (ALL, ONE):
        assert client_as("admin", version).get(path, query).status_code == status


@pytest.mark.django_db
def test_a_list_asks_the_database_once(active, day):
    active()
    client = client_as("admin")
    for number in range(3):
        active(f"more{number}")

    with CaptureQueriesContext(connection) as queries:
        client.get(ALL, day)

    assert len(queries) == 1


@pytest.mark.django_db
def test_no_host_has_run_the_audit(host):
    log = client_as("admin").get(f"{AUDIT}/2026-05-04 12:00:00").json()["instance_usage_audit_log"]

    assert log["period_beginning"] == "2026-04-01 00:00:00"
    assert log["period_ending"] == "2026-05-01 00:00:00"
    assert (log["num_hosts"], log["num_hosts_not_run"]) == (1, 1)
    assert log["hosts_not_run"] == ["alpha"]
    assert log["overall_status"] == "0 of 1 hosts done. 0 errors."


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("before", "status"),
    [
        ("2026-05-04 12:00:00.5", 200),
        ("2026-05-04", 400),
        ("soon", 400),
        ("0001-01-01 00:00:00", 400),
    ],
)
def test_the_moment_of_an_audit_is_checked(before, status):
    assert client_as("admin").get(f"{AUDIT}/{before}").status_code == status

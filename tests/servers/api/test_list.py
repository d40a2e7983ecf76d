"""Lists of servers: scope, filters, order, pages, and their cost."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from servers.models import Server
from servers.states import TaskState, VmState
from tests.authorisation import FOREIGN_PROJECT, client_as

pytestmark = pytest.mark.django_db
PATH = "/compute/v2.1/servers"


def names(query="", version="2.1", who="member"):
    answer = client_as(who, version).get(f"{PATH}?{query}")
    assert answer.status_code == 200, answer.content
    return [server["name"] for server in answer.json()["servers"]]


def refusal(query, version="2.1", who="member"):
    answer = client_as(who, version).get(f"{PATH}?{query}")
    (fault,) = answer.json().values()
    return answer.status_code, fault["message"]


@pytest.fixture
def three(active, now):
    """web, db and db2, made in this order, a second apart."""
    return [
        active(name, created_at=now + timedelta(seconds=number))
        for number, name in enumerate(("web", "db", "db2"))
    ]


def test_newest_first_and_only_the_own_project(three):
    Server.objects.filter(name="db").update(project_id=FOREIGN_PROJECT)

    assert names() == ["db2", "web"]
    assert names(who="foreign member") == ["db"]
    assert names("all_tenants=1", who="admin") == ["db2", "db", "web"]
    assert names(f"all_tenants=1&project_id={FOREIGN_PROJECT}", who="admin") == ["db"]
    assert names(f"project_id={FOREIGN_PROJECT}", who="admin") == ["db2", "web"]
    assert names(f"all_tenants=0&project_id={FOREIGN_PROJECT}", who="admin") == ["db2", "web"]


@pytest.mark.parametrize("who", ["reader", "member", "manager", "service", "unscoped"])
def test_only_administrators_list_those_of_all_projects(who):
    assert refusal("all_tenants=1", who=who)[0] == 403


def test_each_list_is_refused_by_its_own_rule():
    client = client_as("member")
    answers = [client.get(f"{PATH.partition('/detail')[0]}{end}?all_tenants=1")
               for end in ("", "/detail")]  # fmt: skip

    assert [answer.json()["forbidden"]["message"] for answer in answers] == [
        f"Policy doesn't allow os_compute_api:servers:{name}:get_all_tenants to be performed."
        for name in ("index", "detail")
    ]


def test_pages_follow_the_marker_to_the_end(three):
    client = client_as("member")

    first = client.get(f"{PATH}?limit=2&name=.").json()
    (link,) = first["servers_links"]
    second = client.get(link["href"].removeprefix("http://127.0.0.1:8000")).json()

    assert [server["name"] for server in first["servers"]] == ["db2", "db"]
    assert [server["name"] for server in second["servers"]] == ["web"]
    assert "servers_links" not in second


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("name=db", ["db2", "db"]),
        ("name=db$", ["db"]),
        ("status=active", ["db2", "db", "web"]),
        ("status=ERROR", []),
        ("limit=0", []),
        ("sort_key=display_name&sort_dir=asc", ["db", "db2", "web"]),
        ("sort_key=task_state&sort_key=display_name&sort_dir=asc", ["db", "db2", "web"]),
        ("flavor=1", ["db2", "db", "web"]),
        ("flavor=2", []),
        ("image=nope", []),
        ("ip=10.20", ["db2", "db", "web"]),
        ("ip=192.168", []),
        ("changes-since=2026-05-04T12:00:00Z", ["db2", "db", "web"]),
        ("changes-since=2030-01-01T00:00:00", []),
        ("host=alpha", ["db2", "db", "web"]),
        ("unknown=1", ["db2", "db", "web"]),
    ],
)
def test_filter_and_order(three, query, expected):
    assert names(query) == expected


@pytest.mark.parametrize(
    ("query", "version", "status", "words"),
    [
        ("limit=-1", "2.1", 400, "limit"),
        ("limit=x", "2.1", 400, "limit"),
        ("marker=nope", "2.1", 400, "marker [nope] not found"),
        ("name=(", "2.1", 400, "no regular expression"),
        ("sort_key=nope", "2.1", 400, "sort_key"),
        ("sort_key=vcpus", "2.75", 400, "sort_key"),
        ("sort_key=host", "2.1", 403, "Only administrators"),
        ("status=nope", "2.38", 400, "Invalid status value"),
        ("status=deleted", "2.1", 403, "Only administrators"),
        ("changes-since=nope", "2.1", 400, "changes-since"),
        ("metadata=x", "2.1", 400, "Invalid filter field: metadata."),
        ("_secret=x", "2.1", 400, "Invalid filter field: _secret."),
        ("unknown=1", "2.75", 400, "'unknown' was unexpected"),
        ("name=%00", "2.1", 400, "Malformed request URL"),
        ("all_tenants=maybe", "2.1", 400, "all_tenants"),
    ],
)
def test_wrong_query_is_refused(db, query, version, status, words):
    found, message = refusal(query, version)

    assert found == status
    assert words in message


def test_unknown_status_is_an_empty_list_before_2_38(three):
    assert names("status=nope", "2.37") == []


def test_deleted_servers_show_to_those_who_ask_what_changed(three, now):
    Server.objects.filter(name="db").update(deleted_at=now, vm_state=VmState.DELETED)

    assert names() == ["db2", "web"]
    assert names("changes-since=2026-05-04T12:00:00Z") == ["db2", "db", "web"]
    assert names("changes-before=2036-05-04T12:00:00Z", "2.66") == ["db2", "db", "web"]
    assert names("changes-before=2036-05-04T12:00:00Z", "2.65") == ["db2", "web"]
    assert names("deleted=true", who="admin") == ["db"]
    assert names("status=DELETED", who="admin") == ["db"]


def test_rebooting_server_is_not_listed_as_active(three):
    Server.objects.filter(name="db").update(task_state=TaskState.REBOOTING)

    assert names("status=ACTIVE") == ["db2", "web"]
    assert names("status=REBOOT") == ["db"]


def test_tags_are_a_filter_since_2_26(three):
    Server.objects.filter(name="db").update(tags=["a", "b"])
    Server.objects.filter(name="web").update(tags=["a"])

    assert names("tags=a,b", "2.26") == ["db"]
    assert names("tags-any=a,b", "2.26") == ["db", "web"]
    assert names("not-tags=a,b", "2.26") == ["db2", "web"]
    assert names("not-tags-any=a,b", "2.26") == ["db2"]
    assert names("tags=a,b", "2.25") == ["db2", "db", "web"]


@pytest.mark.parametrize("path", [PATH, f"{PATH}/detail"])
@pytest.mark.parametrize("version", ["2.1", "2.104"])
def test_number_of_queries_is_the_same_for_one_and_for_many(active, path, version):
    client = client_as("admin", version)
    active()
    client.get(path)
    with CaptureQueriesContext(connection) as for_one:
        client.get(path)
    for number in range(4):
        active(f"more-{number}")

    with CaptureQueriesContext(connection) as for_many:
        answer = client.get(path)

    assert len(answer.json()["servers"]) == 5
    assert len(for_many) == len(for_one) <= 5

"""The history of a server: keys by microversion and caller, pages, times, deleted servers."""

from datetime import timedelta
from urllib.parse import quote

import pytest

from servers.models import Server, ServerAction, ServerEvent
from servers.states import VmState
from tests.authorisation import client_as

pytestmark = pytest.mark.django_db
ENTRY = {
    *("action", "instance_uuid", "request_id", "user_id", "project_id", "start_time", "message"),
}
EVENT = {"event", "start_time", "finish_time", "result"}


@pytest.fixture
def server(active, now) -> Server:
    """A server with three actions, a minute apart; the newest failed."""
    made = active()
    ServerAction.objects.update(request_id="req-0", started_at=now, updated_at=now)
    for number, name in enumerate(["stop", "start"], start=1):
        at = now + timedelta(minutes=number)
        ServerAction.objects.create(
            server_id=made.pk, action=name, request_id=f"req-{number}", user_id="u",
            project_id="p", started_at=at, updated_at=at, message="Error" if number == 2 else "",
        )  # fmt: skip
    ServerEvent.objects.create(
        action=ServerAction.objects.get(action="start"), event="compute_start_instance",
        host="alpha", started_at=now, finished_at=now, result="Error", details="trace",
    )  # fmt: skip
    return made


def ask(server, version, query="", who="member", status=200):
    path = f"/compute/v2.1/servers/{server.pk}/os-instance-actions{query}"
    answer = client_as(who, version).get(path)
    assert answer.status_code == status, answer.json()
    return answer.json()


def names(body):
    return [each["action"] for each in body["instanceActions"]]


def test_the_newest_is_first_and_times_have_microseconds_and_no_zone(server):
    body = ask(server, "2.1")

    assert names(body) == ["start", "stop", "create"]
    first = body["instanceActions"][0]
    assert first.keys() == ENTRY
    assert (first["message"], body["instanceActions"][1]["message"]) == ("Error", None)
    assert (first["user_id"], first["project_id"]) == ("u", "p")
    assert first["start_time"] == "2026-05-04T12:32:15.123456"
    assert ask(server, "2.58")["instanceActions"][0].keys() == ENTRY | {"updated_at"}


def test_a_deleted_server_has_a_history_since_2_21(server, now):
    Server.objects.update(vm_state=VmState.DELETED, deleted_at=now)

    ask(server, "2.20", status=404)
    ask(server, "2.20", "/req-1", status=404)
    assert len(names(ask(server, "2.21"))) == 3
    assert ask(server, "2.21", "/req-1")["instanceAction"]["action"] == "stop"


def test_pages_exist_since_2_58(server):
    assert len(names(ask(server, "2.57", "?limit=1"))) == 3

    first = ask(server, "2.58", "?limit=2")
    second = ask(server, "2.58", "?limit=2&marker=req-1")

    assert (names(first), names(second)) == (["start", "stop"], ["create"])
    assert first["links"][0]["rel"] == "next"
    assert first["links"][0]["href"].endswith("os-instance-actions?limit=2&marker=req-1")
    assert "links" not in second
    ask(server, "2.58", "?marker=req-9", status=400)
    ask(server, "2.58", "?limit=-1", status=400)
    ask(server, "2.58", "?limit=1&limit=1", status=400)


def test_the_query_is_strict_since_2_58(server):
    ask(server, "2.57", "?x=1")
    ask(server, "2.58", "?x=1", status=400)
    ask(server, "2.65", "?changes-before=2026-05-04T12:00:00Z", status=400)


def test_actions_are_narrowed_by_when_they_changed(server):
    middle, end = quote("2026-05-04T12:31:15.123456+00:00"), "2026-05-04T12:32:00Z"

    assert names(ask(server, "2.58", f"?changes-since={middle}")) == ["start", "stop"]
    assert names(ask(server, "2.66", f"?changes-before={end}")) == ["stop", "create"]
    both = f"?changes-since={middle}&changes-before={end}"
    assert names(ask(server, "2.66", both)) == ["stop"]
    ask(server, "2.66", f"?changes-since={end}&changes-before={middle}", status=400)
    ask(server, "2.58", "?changes-since=yesterday", status=400)


@pytest.mark.parametrize(
    ("who", "version", "keys"),
    [
        ("reader", "2.50", None),
        ("reader", "2.51", EVENT),
        ("reader", "2.62", EVENT | {"hostId"}),
        ("reader", "2.84", EVENT | {"hostId"}),
        ("admin", "2.1", EVENT | {"traceback"}),
        ("admin", "2.51", EVENT | {"traceback"}),
        ("admin", "2.62", EVENT | {"traceback", "host", "hostId"}),
        ("admin", "2.84", EVENT | {"traceback", "host", "hostId", "details"}),
    ],
)
def test_events_show_what_version_and_caller_allow(server, who, version, keys):
    action = ask(server, version, "/req-2", who=who)["instanceAction"]

    assert ("events" in action) == (keys is not None)
    if keys is not None:
        [event] = action["events"]
        assert event.keys() == keys
        assert (event["event"], event["result"]) == ("compute_start_instance", "Error")
        assert event.get("hostId", server.host_id) == server.host_id
        assert event.get("details", "trace") == "trace"


def test_an_action_that_nobody_asked_for_is_not_there(server):
    ask(server, "2.1", "/req-9", status=404)

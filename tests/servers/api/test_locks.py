"""Locks: whom they stop, who may take them away, and how they show."""

import pytest

from operations.models import Operation
from servers.models import Server, ServerAction
from servers.states import VmState
from tests.authorisation import client_as

pytestmark = pytest.mark.django_db
LOCKED = {"locked_by": "owner"}


def act(server, body, who="member", version="2.73"):
    return client_as(who, version).post(f"/compute/v2.1/servers/{server.pk}/action", body)


def shown(server, version):
    path = f"/compute/v2.1/servers/{server.pk}"
    return client_as("member", version).get(path).json()["server"]


def test_lock_and_reason_show_as_the_version_allows(active):
    server = active()

    assert shown(server, "2.9")["locked"] is False
    assert act(server, {"lock": {"locked_reason": "frozen"}}).status_code == 202

    assert "locked" not in shown(server, "2.8")
    assert shown(server, "2.9")["locked"] is True
    assert "locked_reason" not in shown(server, "2.72")
    assert shown(server, "2.73")["locked_reason"] == "frozen"
    action = ServerAction.objects.get(action="lock")
    assert [(each.event, each.result) for each in action.events.all()] == [("api_lock", "Success")]

    assert act(server, {"unlock": None}).status_code == 202
    assert (shown(server, "2.73")["locked"], shown(server, "2.73")["locked_reason"]) == (
        False,
        None,
    )
    assert ServerAction.objects.get(action="unlock").events.get().event == "api_unlock"


@pytest.mark.parametrize(
    ("version", "value", "status"),
    [
        ("2.1", None, 202),
        ("2.72", {"locked_reason": 5}, 202),
        ("2.73", None, 202),
        ("2.73", {}, 202),
        ("2.73", {"locked_reason": ""}, 400),
        ("2.73", {"locked_reason": "x" * 256}, 400),
        ("2.73", {"reason": "x"}, 400),
        ("2.73", "x", 400),
    ],
)
def test_reasons_exist_since_2_73(active, version, value, status):
    server = active()

    assert act(server, {"lock": value}, version=version).status_code == status

    server.refresh_from_db()
    assert (server.locked_by, server.locked_reason) == ("owner" if status == 202 else "", "")


def test_an_owner_cannot_lock_again_and_an_administrator_takes_over(active):
    server = active()
    act(server, {"lock": {"locked_reason": "mine"}})

    assert act(server, {"lock": {"locked_reason": "again"}}).status_code == 202
    server.refresh_from_db()
    assert (server.locked_by, server.locked_reason) == ("owner", "mine")
    assert act(server, {"lock": None}, who="foreign admin").status_code == 202

    server.refresh_from_db()
    assert (server.locked_by, server.locked_reason) == ("admin", "mine")
    refused = act(server, {"unlock": None})
    rule = "os_compute_api:os-lock-server:unlock:unlock_override"
    assert (refused.status_code, refused.json()["forbidden"]["message"]) == (
        403,
        f"Policy doesn't allow {rule} to be performed.",
    )
    assert act(server, {"unlock": None}, who="admin").status_code == 202
    server.refresh_from_db()
    assert (server.locked_by, server.locked_reason) == ("", "")


@pytest.mark.parametrize(
    ("state", "body"),
    [
        (VmState.STOPPED, {"os-start": None}),
        (VmState.ACTIVE, {"os-stop": None}),
        # The lock is looked at before the state.
        (VmState.STOPPED, {"os-stop": None}),
        (VmState.ACTIVE, {"reboot": {"type": "SOFT"}}),
        (VmState.ACTIVE, {"reboot": {"type": "HARD"}}),
        (VmState.ACTIVE, {"pause": None}),
        (VmState.PAUSED, {"unpause": None}),
        (VmState.ACTIVE, {"suspend": None}),
        (VmState.SUSPENDED, {"resume": None}),
        (VmState.ACTIVE, {"trigger_crash_dump": None}),
        (VmState.ACTIVE, {"forceDelete": None}),
        (VmState.ACTIVE, {"restore": None}),
    ],
)
def test_a_lock_stops_the_owner_before_the_state_does(active, state, body):
    server = active(vm_state=state, **LOCKED)

    answer = act(server, body)

    fault = {"code": 409, "message": f"Instance {server.pk} is locked"}
    assert answer.json() == {"conflictingRequest": fault}
    assert not Operation.objects.exists()


def test_a_lock_stops_deletes_and_metadata_and_neither_names_nor_tags(active):
    server = active(metadata={"a": "b"}, **LOCKED)
    path = f"/compute/v2.1/servers/{server.pk}"
    client = client_as("member", "2.73")

    assert client.delete(path).status_code == 409
    assert client.put(f"{path}/metadata", {"metadata": {}}).status_code == 409
    assert client.post(f"{path}/metadata", {"metadata": {"c": "d"}}).status_code == 409
    assert client.delete(f"{path}/metadata/a").status_code == 409
    assert client.put(f"{path}/tags/blue").status_code == 201
    assert client.put(path, {"server": {"name": "new"}}).status_code == 200
    server.refresh_from_db()
    assert (server.metadata, server.task_state) == ({"a": "b"}, None)


@pytest.mark.parametrize("who", ["admin", "foreign admin"])
def test_administrators_are_never_stopped(active, who):
    server = active(**LOCKED)

    assert act(server, {"os-stop": None}, who=who).status_code == 202
    assert client_as(who).delete(f"/compute/v2.1/servers/{server.pk}").status_code == 204


def test_lists_are_narrowed_and_sorted_by_locks(active):
    names = {"first": "", "second": "owner", "third": "", "fourth": "admin"}
    for name, by in names.items():
        active(name=name, locked_by=by)

    def listed(query, version="2.73"):
        answer = client_as("member", version).get(f"/compute/v2.1/servers?{query}")
        assert answer.status_code == 200, answer.json()
        return [each["name"] for each in answer.json()["servers"]]

    assert set(listed("locked=true")) == {"second", "fourth"}
    assert set(listed("locked=0")) == {"first", "third"}
    # Known, but not yet.
    assert len(listed("locked=true", "2.72")) == 4
    keys = "sort_key=locked&sort_dir=desc&sort_key=display_name&sort_dir=asc"
    assert listed(keys) == ["fourth", "second", "first", "third"]
    assert listed(f"{keys}&limit=3") == ["fourth", "second", "first"]
    marker = Server.objects.get(name="second").pk
    assert listed(f"{keys}&marker={marker}") == ["first", "third"]
    assert client_as("member", "2.73").get("/compute/v2.1/servers?locked=x").status_code == 400
    assert client_as("member", "2.72").get(f"/compute/v2.1/servers?{keys}").status_code == 400

"""Actions on a server, its deletion, its labels and its history."""

import pytest

from operations.models import Operation, OperationState
from scheduling.models import Decision
from servers import console
from servers.models import Server, ServerAction, ServerEvent
from servers.states import TaskState, VmState
from tests.authorisation import client_as

pytestmark = pytest.mark.django_db


def act(server, body, who="member", version="2.1"):
    return client_as(who, version).post(f"/compute/v2.1/servers/{server.pk}/action", body)


@pytest.mark.parametrize(
    ("state", "body", "kind", "action", "task"),
    [
        (VmState.STOPPED, {"os-start": None}, "server.start", "start", TaskState.POWERING_ON),
        (VmState.ACTIVE, {"os-stop": {}}, "server.stop", "stop", TaskState.POWERING_OFF),
        (VmState.ERROR, {"os-stop": None}, "server.stop", "stop", TaskState.POWERING_OFF),
        (
            *(VmState.ACTIVE, {"reboot": {"type": "Soft"}}, "server.reboot"),
            *("reboot", TaskState.REBOOTING),
        ),
        (
            *(VmState.STOPPED, {"reboot": {"type": "HARD"}}, "server.reboot_hard"),
            *("reboot", TaskState.REBOOTING_HARD),
        ),
        (VmState.ACTIVE, {"pause": None}, "server.pause", "pause", TaskState.PAUSING),
        (VmState.PAUSED, {"unpause": 1}, "server.unpause", "unpause", TaskState.UNPAUSING),
        (VmState.ACTIVE, {"suspend": {}}, "server.suspend", "suspend", TaskState.SUSPENDING),
        (VmState.SUSPENDED, {"resume": None}, "server.resume", "resume", TaskState.RESUMING),
        (
            *(VmState.PAUSED, {"trigger_crash_dump": None}, "server.crash_dump"),
            *("trigger_crash_dump", None),
        ),
        (VmState.ERROR, {"forceDelete": None}, "server.delete", "delete", TaskState.DELETING),
    ],
)
def test_action_is_accepted_and_enqueued(active, state, body, kind, action, task):
    server = active(vm_state=state)

    answer = act(server, body, version="2.17")

    operation = Operation.objects.get()
    assert (answer.status_code, answer.content) == (202, b"")
    assert (operation.kind, operation.params, operation.subject) == (kind, {}, server.pk)
    assert Server.objects.get().task_state == task
    newest = ServerAction.objects.all()[0]
    assert (newest.action, newest.request_id) == (action, "req-test")


@pytest.mark.parametrize(
    ("fields", "body", "message"),
    [
        ({}, {"os-start": None}, "Cannot 'start' instance {id} while it is in vm_state active"),
        (
            {"vm_state": VmState.STOPPED},
            {"reboot": {"type": "SOFT"}},
            "Cannot 'reboot' instance {id} while it is in vm_state stopped",
        ),
        (
            {"task_state": TaskState.POWERING_OFF},
            {"os-stop": None},
            "Cannot 'stop' instance {id} while it is in task_state powering-off",
        ),
        (
            {"vm_state": VmState.ERROR, "launched_at": None},
            {"os-stop": None},
            "Cannot 'stop' instance {id} while it is in launched_at None",
        ),
        (
            {"hypervisor": None},
            {"os-getConsoleOutput": {}},
            "Instance {id} is not ready",
        ),
    ],
)
def test_state_that_does_not_allow_it_is_named(active, fields, body, message):
    server = active(**fields)

    answer = act(server, body)

    fault = {"code": 409, "message": message.format(id=server.pk)}
    assert answer.json() == {"conflictingRequest": fault}
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"teleport": None}, "There is no such action: teleport"),
        ({"os-start": None, "os-stop": None}, "exactly one action"),
        ({}, "exactly one action"),
        ([], "exactly one action"),
        ({"reboot": {"type": "sOFT"}}, "Invalid input for field/attribute type."),
        ({"reboot": None}, "is not of type 'object'"),
        ({"os-getConsoleOutput": {"length": "x"}}, "Invalid input for field/attribute length."),
    ],
)
def test_wrong_action_is_refused(active, body, words):
    answer = act(active(), body)

    assert answer.status_code == 400
    assert words in answer.json()["badRequest"]["message"]


@pytest.mark.parametrize(
    ("length", "expected"),
    [(None, "one\ntwo\tx\nthree"), (-1, "one\ntwo\tx\nthree"), ("1", "three"), (0, "")],
)
def test_console_output_is_its_last_lines_without_control_characters(
    active, monkeypatch, length, expected
):
    # What a host really answers is tried in the lab.
    monkeypatch.setattr(console, "read_console", lambda *_: "one\r\ntwo\t\x1bx\r\nthree")

    answer = act(active(), {"os-getConsoleOutput": {"length": length}})

    assert answer.status_code == 200
    assert answer.json() == {"output": expected}


def test_delete_supersedes_what_is_under_way(wanted, post, body):
    identifier = post(body()).json()["server"]["id"]

    answer = client_as("member").delete(f"/compute/v2.1/servers/{identifier}")
    again = client_as("member").delete(f"/compute/v2.1/servers/{identifier}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert again.status_code == 204
    states = dict(Operation.objects.values_list("kind", "state"))
    assert states == {
        "server.build": OperationState.CANCELLED,
        "server.delete": OperationState.PENDING,
    }
    assert Server.objects.get().task_state == TaskState.DELETING
    assert [action.action for action in ServerAction.objects.order_by("pk")] == ["create", "delete"]


def test_metadata_is_merged_replaced_and_deleted(active):
    path = f"/compute/v2.1/servers/{active().pk}/metadata"
    client = client_as("member")

    assert client.put(path, {"metadata": {"a": "1"}}).json() == {"metadata": {"a": "1"}}
    assert client.post(path, {"metadata": {"b": "2"}}).json() == {"metadata": {"a": "1", "b": "2"}}
    assert client.put(f"{path}/c", {"meta": {"c": "3"}}).json() == {"meta": {"c": "3"}}
    assert client.put(f"{path}/c", {"meta": {"d": "3"}}).status_code == 400
    assert client.delete(f"{path}/a").status_code == 204
    assert client.get(path).json() == {"metadata": {"b": "2", "c": "3"}}
    assert client.get(f"{path}/a").status_code == 404
    too_many = {"metadata": {f"k{number}": "" for number in range(127)}}
    assert client.post(path, too_many).json()["forbidden"]["message"] == (
        "Maximum number of metadata items exceeds 128"
    )


def test_tags_exist_since_2_26(active):
    path = f"/compute/v2.1/servers/{active().pk}/tags"
    client = client_as("member", "2.26")

    created = client.put(f"{path}/blue sky")

    assert client_as("member", "2.25").get(path).status_code == 404
    assert created.status_code == 201
    assert created["Location"].endswith("/tags/blue%20sky")
    assert client.put(f"{path}/blue sky").status_code == 204
    assert client.get(path).json() == {"tags": ["blue sky"]}
    assert client.get(f"{path}/red").status_code == 404
    assert client.put(path, {"tags": ["a", "a"]}).json() == {"tags": ["a"]}
    assert client.put(path, {"tags": ["a,b"]}).status_code == 400
    assert client.delete(f"{path}/a").status_code == 204
    assert client.delete(path).status_code == 204


def test_labels_do_not_change_while_building(active):
    path = f"/compute/v2.1/servers/{active(vm_state=VmState.BUILDING).pk}"

    answer = client_as("member").put(f"{path}/metadata", {"metadata": {}})

    assert answer.status_code == 409
    assert "Cannot 'update metadata' instance" in answer.json()["conflictingRequest"]["message"]


def test_history_shows_events_as_the_version_and_the_caller_allow(active, now):
    server = active()
    action = ServerAction.objects.get()
    ServerEvent.objects.create(
        action=action, event="compute__do_build", host="alpha", started_at=now, details="trace"
    )
    path = f"/compute/v2.1/servers/{server.pk}/os-instance-actions"

    def shown(who, version):
        answer = client_as(who, version).get(f"{path}/{action.request_id}")
        return answer.json()["instanceAction"].get("events", [{}])[0].keys()

    always = {"event", "start_time", "finish_time", "result"}
    assert shown("member", "2.50") == set()
    assert shown("member", "2.51") == always
    assert shown("member", "2.62") == always | {"hostId"}
    assert shown("admin", "2.1") == always | {"traceback"}
    assert shown("admin", "2.84") == always | {"traceback", "host", "hostId", "details"}
    assert client_as("member", "2.58").get(f"{path}?x=1").status_code == 400
    listed = client_as("member", "2.58").get(f"{path}?limit=1").json()
    assert listed["instanceActions"][0]["action"] == "create"
    assert listed["links"][0]["href"].endswith(f"limit=1&marker={action.request_id}")


def test_explanation_is_the_newest_decision(active):
    server = active()
    Decision.objects.create(server_id=server.pk, candidates=3, chosen="alpha", summary="alpha, for")

    answer = client_as("admin").get(f"/compute/v2.1/servers/{server.pk}/cloudportal:explanation")

    explanation = answer.json()["explanation"]
    assert (explanation["candidates"], explanation["chosen"]) == (3, "alpha")
    assert explanation["enable_ha"] is None


def test_explanation_says_what_becomes_of_a_marked_server_when_its_host_dies(active):
    server = active(options={"enable_ha": True})
    Decision.objects.create(server_id=server.pk, candidates=3, chosen="alpha", summary="alpha, for")

    answer = client_as("admin").get(f"/compute/v2.1/servers/{server.pk}/cloudportal:explanation")

    assert answer.json()["explanation"]["enable_ha"] == (
        "alpha has no fence command: the server is restarted only when that host is back."
    )


def test_addresses_by_network(active):
    path = f"/compute/v2.1/servers/{active().pk}/ips"
    client = client_as("member")

    everything = client.get(path).json()["addresses"]

    assert everything["private"][0].keys() == {"version", "addr"}
    assert client.get(f"{path}/private").json() == everything
    assert client.get(f"{path}/public").status_code == 404

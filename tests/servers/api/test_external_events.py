"""What other services tell of servers."""

from uuid import uuid4

import pytest

from operations.models import Operation
from servers.models import Server, ServerAction
from servers.states import VmState
from tests.authorisation import SERVICES, Endpoint, client_as, matrix

PATH = "/compute/v2.1/os-server-external-events"
SNAPSHOTS = "/compute/v2.1/os-assisted-volume-snapshots"
SNAPSHOT = {
    "snapshot": {
        "volume_id": "v",
        "create_info": {"snapshot_id": "s", "type": "qcow2", "new_file": "f"},
    }
}


def told(server_id, name="network-changed", **more):
    return {"name": name, "server_uuid": str(server_id), **more}


@pytest.fixture
def tell(db):
    def call(*events, version="2.104"):
        return client_as("service", version).post(PATH, {"events": list(events)})

    return call


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("endpoint", "who"),
    matrix(
        [
            Endpoint("POST", PATH, 207, SERVICES, {"events": [told(uuid4())]}),
            Endpoint("POST", SNAPSHOTS, 400, SERVICES, SNAPSHOT),
            Endpoint("DELETE", SNAPSHOTS + '/s?delete_info={{"volume_id":"v"}}', 400, SERVICES),
        ]
    ),
)
def test_only_services_tell(endpoint, who):
    assert endpoint.status(who) == endpoint.expected(who)


def test_an_event_of_a_server_on_a_host_is_taken(tell, active):
    server = active()

    answer = tell(told(server.pk, tag="port"))

    assert answer.status_code == 200
    assert answer.json()["events"] == [
        {**told(server.pk, tag="port"), "status": "completed", "code": 200}
    ]


def test_each_event_has_a_code_of_its_own(tell, active):
    good, deleted = active("good"), active("deleted", deleted_at="2026-05-04T00:00:00Z")
    waiting = active("waiting", hypervisor=None)

    answer = tell(
        told(good.pk, status="in-progress"),
        told(deleted.pk),
        told(uuid4()),
        told(waiting.pk),
        told(good.pk, "volume-extended"),
        told(good.pk, "power-update", tag="SIDEWAYS"),
    )

    assert answer.status_code == 207
    events = answer.json()["events"]
    assert [event["code"] for event in events] == [200, 404, 404, 422, 400, 400]
    assert [event["status"] for event in events] == ["in-progress", *["failed"] * 5]


@pytest.mark.parametrize(
    ("state", "tag", "kind"),
    [
        (VmState.ACTIVE, "POWER_OFF", "server.stop"),
        (VmState.STOPPED, "POWER_ON", "server.start"),
        (VmState.ACTIVE, "POWER_ON", None),
        (VmState.STOPPED, "POWER_OFF", None),
    ],
)
def test_a_change_of_power_is_made_true(tell, active, state, tag, kind):
    server = active(vm_state=state)

    assert tell(told(server.pk, "power-update", tag=tag)).status_code == 200

    assert list(Operation.objects.values_list("kind", flat=True)) == ([kind] if kind else [])
    if kind:
        action = ServerAction.objects.exclude(action="create").get()
        assert action.action == kind.removeprefix("server.")
        event = action.events.get()
        found = (event.event, event.host, event.result)
        assert found == ("compute_power_update", "alpha", "Success")


def test_power_is_left_alone_while_a_task_runs(tell, active):
    server = active(task_state="rebooting")

    assert tell(told(server.pk, "power-update", tag="POWER_OFF")).status_code == 200

    assert Server.objects.get().task_state == "rebooting"
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    ("name", "before", "since"),
    [
        ("volume-extended", "2.50", "2.51"),
        ("power-update", "2.75", "2.76"),
        ("accelerator-request-bound", "2.81", "2.82"),
        ("volume-reimaged", "2.92", "2.93"),
    ],
)
def test_events_are_known_from_their_microversion_on(tell, name, before, since):
    event = told(uuid4(), name, tag="x")

    assert tell(event, version=before).status_code == 400
    assert tell(event, version=since).status_code == 207


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"events": []},
        {"events": [{"name": "network-changed"}]},
        {"events": [told("no-uuid")]},
        {"events": [told(uuid4(), status="done")]},
        {"events": [told(uuid4(), color="red")]},
    ],
)
def test_bodies_are_checked(db, body):
    assert client_as("service").post(PATH, body).status_code == 400


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["", "?delete_info=x", "?delete_info=[]", "?delete_info={}"])
def test_what_to_delete_must_be_said(query):
    answer = client_as("service").delete(f"{SNAPSHOTS}/s{query}")

    assert answer.status_code == 400
    assert "delete_info" in answer.json()["badRequest"]["message"]

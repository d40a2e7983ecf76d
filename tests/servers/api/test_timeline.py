"""The timeline of an action on a server, as members and administrators see it."""

from datetime import timedelta

import pytest

from operations.models import Operation, OperationState, StepRecord
from servers.models import ServerAction
from tests.authorisation import client_as

pytestmark = pytest.mark.django_db


@pytest.fixture
def server(active, now):
    """Its create took ten seconds: four in the queue, two and three in steps, one in between."""
    made = active()
    ServerAction.objects.update(request_id="req-0", started_at=now, updated_at=now)
    Operation.objects.all().delete()
    operation = Operation.objects.create(
        kind="server.build", subject=made.pk, request_id="req-0", state=OperationState.DONE,
        created_at=now, updated_at=now, finished_at=now + timedelta(seconds=10),
    )  # fmt: skip
    steps = [("place", 4, 6, now), ("define", 7, 10, None)]
    for step, begin, end, ready_at in steps:
        StepRecord.objects.create(
            operation=operation, step=step, direction="do", ready_at=ready_at, message="inner",
            started_at=now + timedelta(seconds=begin), finished_at=now + timedelta(seconds=end),
            result="Success",
        )  # fmt: skip
    return made


def ask(server, who="member", request_id="req-0"):
    path = f"os-instance-actions/{request_id}/cloudportal:timeline"
    return client_as(who).get(f"/compute/v2.1/servers/{server.pk}/{path}")


def test_each_span_has_its_seconds_and_they_are_added_up(server):
    body = ask(server).json()["timeline"]

    assert (body["action"], body["duration"], body["accounted"]) == ("create", 10, 0.9)
    told = [(span["kind"], span["step"], span["duration"]) for span in body["spans"]]
    assert told == [("queue", None, 4), ("step", "place", 2), ("step", "define", 3)]
    assert all("message" not in span for span in body["spans"])


def test_administrators_see_what_a_step_said(server):
    spans = ask(server, who="admin").json()["timeline"]["spans"]

    assert [span["message"] for span in spans] == [None, "inner", "inner"]


def test_it_is_open_while_the_work_goes_on(server):
    Operation.objects.update(finished_at=None, state=OperationState.RUNNING)

    body = ask(server).json()["timeline"]

    assert body["finish_time"] is None
    assert body["duration"] > 10


def test_of_an_unknown_or_forgotten_action_there_is_none(server):
    assert ask(server, request_id="req-9").status_code == 404
    Operation.objects.all().delete()

    answer = ask(server)

    assert answer.status_code == 404
    assert answer.json()["itemNotFound"]["message"] == "No steps of action req-0 are kept."

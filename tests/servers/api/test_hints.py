"""Scheduler hints: those that are heeded reach the scheduler, those that cannot be are named."""

import uuid

import pytest

from scheduling.request_spec import RequestSpec
from servers.models import Server
from tests.authorisation import client_as

pytestmark = pytest.mark.django_db
NOBODY = str(uuid.UUID(int=7))
KEYS = ["os:scheduler_hints", "OS-SCH-HNT:scheduler_hints"]


def message(answer):
    [fault] = answer.json().values()
    return fault["message"]


@pytest.mark.parametrize("key", KEYS)
def test_hints_reach_the_scheduler(post, body, key):
    hints = {
        "different_host": NOBODY,
        "same_host": [NOBODY],
        "query": '[">=", "$free_ram_mb", 1024]',
        "build_near_host_ip": "10.1.2.3",
        "cidr": "/16",
    }

    answer = post({**body(), key: hints})

    assert answer.status_code == 202, answer.content
    spec = RequestSpec.from_json(Server.objects.get().request_spec)
    assert (spec.different_host, spec.same_host) == ([NOBODY], [NOBODY])
    assert spec.query == [">=", "$free_ram_mb", 1024]
    assert spec.near == "10.1.0.0/16"


def test_hints_are_shown_as_sent_since_2_100_without_the_services_own(post, body):
    hints = {"same_host": NOBODY, "made_up": {"any": ["thing"]}, "_nova_check_type": ["x"]}
    sent = post({**body(), "os:scheduler_hints": hints}).json()["server"]["id"]
    path = f"/compute/v2.1/servers/{sent}"

    shown = client_as("reader", "2.100").get(path).json()["server"]["scheduler_hints"]

    assert shown == {"same_host": NOBODY, "made_up": {"any": ["thing"]}}
    assert "scheduler_hints" not in client_as("reader", "2.99").get(path).json()["server"]
    [listed] = client_as("reader", "2.100").get("/compute/v2.1/servers/detail").json()["servers"]
    assert listed["scheduler_hints"] == shown


def test_of_both_spellings_the_shorter_is_heeded(post, body):
    answer = post({**body(), KEYS[0]: {"same_host": NOBODY}, KEYS[1]: {"same_host": "other"}})

    assert answer.status_code == 202
    assert Server.objects.get().request_spec["same_host"] == [NOBODY]


@pytest.mark.parametrize(
    ("hints", "words"),
    [
        ({"target_cell": "a"}, "The scheduler hint 'target_cell' is not offered by this cloud."),
        ({"different_cell": ["a"]}, "The scheduler hint 'different_cell' is not offered"),
        ({"cidr": "/24"}, "'build_near_host_ip' only"),
        ({"build_near_host_ip": "10.0.0.1", "cidr": "/33"}, "10.0.0.1/33"),
        ({"build_near_host_ip": "fe80::1%eth0"}, "fe80::1%eth0"),
        ({"build_near_host_ip": "nowhere"}, "build_near_host_ip"),
        ({"query": "nonsense"}, "'query' is malformed: it is not JSON"),
        ({"query": '{"a": 1}'}, "it is not a list"),
        ({"query": {"a": 1}}, "'query' must be a list"),
        ({"query": '[">=", "$free_beer", 1]'}, "there is no variable $free_beer"),
        ({"group": "nonsense"}, "group"),
        ({"different_host": "nonsense"}, "different_host"),
        ({"same_host": ["nonsense"]}, "nonsense"),
    ],
)
def test_hints_that_cannot_be_heeded_are_refused(post, body, hints, words):
    answer = post({**body(), "os:scheduler_hints": hints})

    assert answer.status_code == 400
    assert words in message(answer)
    assert not Server.objects.exists()


@pytest.mark.parametrize("query", ["", "[]", {}])
def test_an_empty_query_asks_nothing(post, body, query):
    assert post({**body(), "os:scheduler_hints": {"query": query}}).status_code == 202
    assert Server.objects.get().request_spec["query"] == []

"""However many members of a group are placed at the same moment, its policy holds."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from django.db import connections
from django.utils import timezone

from quotas.models import QuotaLimit
from scheduling.errors import NoValidHost
from scheduling.models import Allocation, Decision
from scheduling.place import place_server
from scheduling.request_spec import RequestSpec
from servers.models import Server, ServerGroup
from tests.authorisation import OWN_PROJECT, OWNER, client_as
from tests.scheduling.hosts import make_host

pytestmark = pytest.mark.django_db(transaction=True)
RACERS = 12


def group_of(policy, **rules):
    for resource in ("instances", "cores", "ram", "server_group_members"):
        QuotaLimit.objects.create(project_id=OWN_PROJECT, resource=resource, limit=-1)
    return ServerGroup.objects.create(
        name="web", policy=policy, rules=rules, project_id=OWN_PROJECT, user_id=OWNER
    )


def race(group, body):
    """Each racer asks for a server and places it at once; returns how many found no host."""
    together = threading.Barrier(RACERS)

    def one(number):
        hints = {"os:scheduler_hints": {"group": str(group.pk)}}
        try:
            together.wait(timeout=60)
            asked = client_as("member").post("/compute/v2.1/servers", {**body(), **hints})
            server = Server.objects.get(pk=asked.json()["server"]["id"])
            place_server(
                server_id=UUID(str(server.pk)),
                spec=RequestSpec.from_json(server.request_spec),
                without=[],
                operation_id=uuid4(),
                request_id="req-1",
                now=timezone.now(),
            )
        except NoValidHost:
            return 1
        finally:
            connections.close_all()
        return 0

    with ThreadPoolExecutor(RACERS) as pool:
        return sum(pool.map(one, range(RACERS)))


def on_hosts():
    return Counter(Allocation.objects.values_list("hypervisor__name", flat=True))


@pytest.mark.parametrize(("rules", "most"), [({}, 1), ({"max_server_per_host": 2}, 2)])
def test_servers_kept_apart_never_meet_on_a_host(host, body, rules, most):
    for _ in range(3):
        make_host(cpu_ratio=4.0)
    hosts = 4

    refused = race(group_of("anti-affinity", **rules), body)

    assert sorted(on_hosts().values()) == [most] * hosts
    assert refused == RACERS - hosts * most
    reason = f"anti_affinity removed {hosts}"
    assert Decision.objects.filter(chosen="", summary__contains=reason).count() == refused


def test_servers_kept_together_are_all_on_one_host(host, body):
    make_host(cpu_ratio=4.0, ram_mib=16384)

    refused = race(group_of("affinity"), body)

    assert refused == 0
    assert list(on_hosts().values()) == [RACERS]


def test_the_limit_of_members_is_kept_by_racing_requests(host, body):
    group = group_of("soft-affinity")
    QuotaLimit.objects.filter(resource="server_group_members").update(limit=5)
    together = threading.Barrier(RACERS)

    def ask(number):
        hints = {"os:scheduler_hints": {"group": str(group.pk)}}
        try:
            together.wait(timeout=60)
            answer = client_as("member").post("/compute/v2.1/servers", {**body(), **hints})
        finally:
            connections.close_all()
        return answer.status_code

    with ThreadPoolExecutor(RACERS) as pool:
        statuses = list(pool.map(ask, range(RACERS)))

    assert (statuses.count(202), statuses.count(403)) == (5, RACERS - 5)
    assert group.members.count() == 5

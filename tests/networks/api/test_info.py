"""What the network service says about itself: quotas, hosts, zones, what comes without asking."""

import pytest
from django.utils import timezone

from hypervisors.models import Hypervisor
from identity.models import Domain, Project
from networks.create import NewPort, create_port
from quotas.consume import limits
from quotas.models import QuotaLimit
from tests.networks.api.test_networks import error_of
from tests.networks.conftest import actor_with

pytestmark = pytest.mark.django_db
V2 = "/network/v2.0"


@pytest.fixture
def boss(client_for, admin):
    return client_for(admin)


@pytest.fixture
def project():
    Domain.objects.get_or_create(id="default", defaults={"name": "Default"})
    return Project.objects.create(id="p1", name="one").pk


def put(client, project, **fields):
    return client.put(f"{V2}/quotas/{project}", {"quota": fields}, format="json")


def test_limits_are_set_and_taken_back_and_others_stay(boss, project):
    QuotaLimit.objects.create(project_id="p1", resource="cores", limit=3)

    changed = put(boss, "p1", port=7, security_group_rule=-1, subnetpool=-1)
    listed = boss.get(f"{V2}/quotas").json()["quotas"]
    gone = boss.delete(f"{V2}/quotas/p1")

    assert (changed.status_code, changed.json()["quota"]["port"]) == (200, 7)
    assert [(row["project_id"], row["port"], row["network"]) for row in listed] == [("p1", 7, 100)]
    assert gone.status_code == 204
    assert boss.get(f"{V2}/quotas/p1").json()["quota"]["port"] == 500
    assert limits("p1")["cores"] == 3
    assert boss.get(f"{V2}/quotas").json() == {"quotas": []}


def test_a_limit_below_what_is_used_is_refused_only_on_demand(boss, project, network, member):
    create_port(wanted=NewPort(str(network.pk)), actor=member, now=timezone.now())

    assert put(boss, "p1", port=0, check_limit=True).status_code == 400
    assert put(boss, "p1", port=0).status_code == 200


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"port": -2}, 400),
        ({"port": "many"}, 400),
        ({"rbac_policy": 3}, 400),
        ({"trunk": 3}, 400),
    ],
)
def test_limits_that_are_none_are_refused(boss, project, fields, status):
    assert put(boss, "p1", **fields).status_code == status
    assert not QuotaLimit.objects.exists()


@pytest.mark.parametrize("role", ["reader", "member", "manager"])
def test_only_administrators_set_limits_and_see_hosts(client_for, project, role):
    client = client_for(actor_with(role))

    assert put(client, "p1", port=7).status_code == 403
    assert client.delete(f"{V2}/quotas/p1").status_code == 403
    assert client.get(f"{V2}/quotas").status_code == 403
    assert client.get(f"{V2}/agents").status_code == 403
    assert client.get(f"{V2}/quotas/p1").status_code == 200
    assert client.get(f"{V2}/quotas/p2/details").status_code == 403


def test_hosts_are_shown_as_agents(boss, django_assert_num_queries):
    hosts = [
        Hypervisor.objects.create(name=f"h{number}", uri=f"test:///h{number}", state=state)
        for number, state in enumerate(["up", "down", "up"])
    ]

    with django_assert_num_queries(2):
        rows = boss.get(f"{V2}/agents").json()["agents"]
    page = boss.get(f"{V2}/agents?limit=2").json()
    rest = boss.get(page["agents_links"][0]["href"]).json()["agents"]
    shown = boss.get(f"{V2}/agents/{hosts[1].uuid}").json()["agent"]
    alive = boss.get(f"{V2}/agents?alive=true").json()["agents"]

    assert [row["host"] for row in rows] == ["h0", "h1", "h2"]
    assert [row["alive"] for row in rows] == [True, False, True]
    assert [row["host"] for row in rest] == ["h2"]
    assert (shown["id"], shown["availability_zone"]) == (str(hosts[1].uuid), "nova")
    assert len(alive) == 2
    assert error_of(boss.get(f"{V2}/agents/x")) == "AgentNotFound"


def test_zones_are_filtered(client_for, member):
    client = client_for(member)

    rows = client.get(f"{V2}/availability_zones?resource=router").json()["availability_zones"]

    assert rows == [{"name": "nova", "resource": "router", "state": "available"}]


def test_what_comes_without_asking_is_not_taken_away(client_for, network, member):
    client, path = client_for(member), f"{V2}/auto-allocated-topology/p1"

    dry = client.get(f"{path}?fields=dry-run").json()["auto_allocated_topology"]
    gone = client.delete(path)

    assert dry["id"] == "dry-run=pass"
    assert gone.status_code == 204
    assert client.get(path).json()["auto_allocated_topology"]["id"] == str(network.pk)
    assert client.delete(f"{V2}/auto-allocated-topology/p2").status_code == 403


@pytest.mark.parametrize(
    ("plural", "query", "count"),
    [
        ("networks", "subnets=SUBNET", 1),
        ("networks", "subnets=x", 0),
        ("networks", "availability_zones=nova", 1),
        ("networks", "created_at=CREATED", 1),
        ("networks", "created_at=2001-01-01T00:00:00Z", 0),
        ("networks", "created_at=x", 0),
        ("networks", "provider:segmentation_id=5", 1),  # not for members to ask
        ("networks", "sort_key=created_at&sort_dir=desc", 1),
        ("subnets", "ip_version=6", 0),
        ("subnets", "ip_version=6&ip_version=4", 1),
        ("ports", "fixed_ips=ip_address_substr=10.5", 1),
        ("ports", "fixed_ips=ip_address_substr=10.6", 0),
        ("ports", "ip_allocation=immediate", 1),
        ("security-groups", "stateful=false", 0),
        ("security-group-rules", "belongs_to_default_sg=true&direction=egress", 2),
        ("security-group-rules", "belongs_to_default_sg=false", 0),
    ],
)
def test_what_is_shown_filters(client_for, network, member, plural, query, count):
    create_port(wanted=NewPort(str(network.pk)), actor=member, now=timezone.now())
    created = network.created_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    query = query.replace("SUBNET", str(network.subnets.get().pk)).replace("CREATED", created)

    rows = client_for(member).get(f"{V2}/{plural}?{query}").json()[plural.replace("-", "_")]

    assert len(rows) == count

"""Security groups and rules over HTTP."""

from __future__ import annotations

import pytest
from django.utils import timezone

from networks.groups import default_group
from networks.models import GroupChange, Port, SecurityGroup, SecurityGroupRule
from operations.models import Operation
from quotas.consume import usage
from tests.networks.conftest import actor_with

pytestmark = pytest.mark.django_db
V2 = "/network/v2.0"
NOBODY = "00000000-0000-4000-8000-00000000dead"


@pytest.fixture
def client(client_for, member):
    return client_for(member)


def post(client, name, fields):
    plural = f"{name.replace('_', '-')}s"
    return client.post(f"{V2}/{plural}", {name: fields}, format="json")


@pytest.fixture
def group(client):
    """A group of the project."""
    return post(client, "security_group", {"name": "web", "description": "in"}).json()[
        "security_group"
    ]


def error_of(response) -> str:
    return str(response.json()["NeutronError"]["type"])


def test_a_new_group_lets_everything_out_and_nothing_in(group):
    rules = group["security_group_rules"]

    assert [rule["direction"] for rule in rules] == ["egress", "egress"]
    assert {rule["ethertype"] for rule in rules} == {"IPv4", "IPv6"}
    assert (group["name"], group["stateful"]) == ("web", True)


def test_a_group_is_renamed_and_deleted(client, group):
    path = f"{V2}/security-groups/{group['id']}"

    changed = client.put(path, {"security_group": {"name": "www"}}, format="json")
    assert changed.json()["security_group"]["name"] == "www"
    assert changed.json()["security_group"]["revision_number"] == 2
    assert usage("p1")["security_groups"] == 1
    assert client.delete(path).status_code == 204

    assert client.get(path).status_code == 404
    assert usage("p1")["security_groups"] == 0


def test_the_default_group_is_neither_made_renamed_nor_removed(client):
    default = default_group("p1", now=timezone.now())
    path = f"{V2}/security-groups/{default.pk}"

    made = post(client, "security_group", {"name": "default"})
    renamed = client.put(path, {"security_group": {"name": "other"}}, format="json")
    removed = client.delete(path)

    assert [each.status_code for each in (made, renamed, removed)] == [409, 409, 409]
    assert error_of(made) == "SecurityGroupDefaultAlreadyExists"
    assert error_of(removed) == "SecurityGroupCannotRemoveDefault"


def test_a_group_that_ports_follow_stays(client, group, network):
    fields = {"network_id": str(network.pk), "security_groups": [group["id"]]}
    post(client, "port", fields)

    response = client.delete(f"{V2}/security-groups/{group['id']}")

    assert (response.status_code, error_of(response)) == (409, "SecurityGroupInUse")


def test_rules_come_and_go_with_their_quota_and_are_spread(client, group):
    fields = {
        "security_group_id": group["id"],
        "direction": "ingress",
        "protocol": "TCP",
        "port_range_min": "22",
        "port_range_max": 22,
        "remote_ip_prefix": "10.0.0.7/8",
    }
    GroupChange.objects.all().delete()

    made = post(client, "security_group_rule", fields)

    assert made.status_code == 201
    rule = made.json()["security_group_rule"]
    assert (rule["protocol"], rule["remote_ip_prefix"]) == ("tcp", "10.0.0.0/8")
    assert usage("p1")["security_group_rules"] == 1
    assert [str(each.group_id) for each in GroupChange.objects.all()] == [group["id"]]
    assert Operation.objects.filter(kind="network.spread_changes").count() == 1

    assert client.delete(f"{V2}/security-group-rules/{rule['id']}").status_code == 204
    assert usage("p1")["security_group_rules"] == 0
    assert GroupChange.objects.count() == 2


def test_several_rules_are_made_at_once_or_none(client, group):
    common = {"security_group_id": group["id"], "direction": "ingress", "protocol": "udp"}
    good = [{**common, "port_range_min": number, "port_range_max": number} for number in (53, 123)]

    bad = client.post(
        f"{V2}/security-group-rules",
        {"security_group_rules": [{**common, "description": "all"}, good[0], good[0]]},
        format="json",
    )
    made = client.post(f"{V2}/security-group-rules", {"security_group_rules": good}, format="json")

    assert (bad.status_code, error_of(bad)) == (409, "SecurityGroupRuleExists")
    assert made.status_code == 201
    assert SecurityGroupRule.objects.filter(group=group["id"], direction="ingress").count() == 2


def test_the_same_rule_again_is_refused_with_the_ones_id(client, group):
    fields = {"security_group_id": group["id"], "direction": "ingress", "protocol": "icmp"}
    rule = post(client, "security_group_rule", fields).json()["security_group_rule"]

    again = post(client, "security_group_rule", fields)

    assert again.status_code == 409
    assert rule["id"] in again.json()["NeutronError"]["message"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"direction": "sideways"}, 400),
        ({"ethertype": "IPX"}, 400),
        ({"protocol": "carrier-pigeon"}, 400),
        ({"protocol": 47}, 400),
        ({"port_range_min": 1, "port_range_max": 2}, 400),
        ({"protocol": "tcp", "port_range_min": 9, "port_range_max": 2}, 400),
        ({"protocol": "tcp", "port_range_min": 9}, 400),
        ({"protocol": "tcp", "port_range_min": 1, "port_range_max": 70000}, 400),
        ({"protocol": "esp", "port_range_min": 1, "port_range_max": 2}, 400),
        ({"protocol": "icmp", "port_range_min": 256}, 400),
        ({"protocol": "icmp", "port_range_max": 1}, 400),
        ({"protocol": "icmpv6"}, 400),
        ({"remote_ip_prefix": "nowhere"}, 400),
        ({"remote_ip_prefix": "fd00::/64"}, 400),
        ({"remote_ip_prefix": "10.0.0.0/8", "remote_group_id": NOBODY}, 400),
        ({"remote_group_id": NOBODY}, 404),
        ({"security_group_id": NOBODY}, 404),
        ({"strange": 1}, 400),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(client, group, fields, status):
    wanted = {"security_group_id": group["id"], "direction": "ingress", **fields}

    response = post(client, "security_group_rule", wanted)

    assert response.status_code == status, response.json()
    assert SecurityGroupRule.objects.filter(group=group["id"]).count() == 2


def test_who_may_change_a_group(client_for, group):
    path = f"{V2}/security-groups/{group['id']}"
    body = {"security_group": {"name": "www"}}

    reader = client_for(actor_with("reader")).put(path, body, format="json")
    foreign = client_for(actor_with("member", "p2")).put(path, body, format="json")
    admin = client_for(actor_with("admin", "p-admin")).put(path, body, format="json")

    assert [each.status_code for each in (reader, foreign, admin)] == [403, 404, 200]


def test_a_port_changes_its_groups_and_its_port_security(client, group, make_network):
    own = make_network(project_id="p1", is_shared=False)
    port = post(client, "port", {"network_id": str(own.pk)}).json()["port"]
    path = f"{V2}/ports/{port['id']}"
    Port.objects.update(device_id="s1", host="h1")

    changed = client.put(path, {"port": {"security_groups": [group["id"]]}}, format="json")
    refused = client.put(path, {"port": {"port_security_enabled": False}}, format="json")
    opened = client.put(
        path, {"port": {"port_security_enabled": False, "security_groups": []}}, format="json"
    )

    assert changed.json()["port"]["security_groups"] == [group["id"]]
    assert refused.status_code == 400
    assert opened.json()["port"]["port_security_enabled"] is False
    assert opened.json()["port"]["security_groups"] == []
    assert Port.objects.get().filter_wanted == 2


def test_no_more_groups_than_the_quota_allows(client, monkeypatch):
    for number in range(10):
        assert post(client, "security_group", {"name": f"g{number}"}).status_code == 201

    response = post(client, "security_group", {"name": "one too many"})

    assert (response.status_code, error_of(response)) == (409, "OverQuota")
    assert SecurityGroup.objects.exclude(name="default").count() == 10

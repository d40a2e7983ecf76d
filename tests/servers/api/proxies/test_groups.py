"""Security groups in the words of the compute API."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from networks.models import Port, SecurityGroup, SecurityGroupRule
from tests.authorisation import FOREIGN_PROJECT, OWN_PROJECT, client_as

GROUPS = "/compute/v2.1/os-security-groups"


def path_of(server):
    return f"/compute/v2.1/servers/{server.pk}/os-security-groups"


@pytest.mark.django_db
def test_a_server_shows_the_groups_of_its_ports(active):
    server = active()
    web = SecurityGroup.objects.create(project_id=OWN_PROJECT, name="web", description="Web")
    Port.objects.get(device_id=str(server.pk)).security_groups.set([web])
    SecurityGroupRule.objects.create(
        group=web, direction="ingress", ethertype="IPv4", protocol="tcp",
        port_range_min=80, port_range_max=81, remote_ip_prefix="10.0.0.0/8",
    )  # fmt: skip
    SecurityGroupRule.objects.create(group=web, direction="egress", ethertype="IPv4")

    [group] = client_as("reader", "2.104").get(path_of(server)).json()["security_groups"]

    assert (group["id"], group["name"], group["tenant_id"]) == (str(web.pk), "web", OWN_PROJECT)
    [rule] = group["rules"]
    assert rule["parent_group_id"] == str(web.pk)
    assert (rule["ip_protocol"], rule["from_port"], rule["to_port"]) == ("tcp", 80, 81)
    assert (rule["ip_range"], rule["group"]) == ({"cidr": "10.0.0.0/8"}, {})


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("protocol", "ethertype", "ports", "cidr"),
    [
        ("udp", "IPv4", (1, 65535), "0.0.0.0/0"),
        ("icmp", "IPv6", (-1, -1), "::/0"),
        ("", "IPv4", (None, None), "0.0.0.0/0"),
    ],
)
def test_what_a_rule_leaves_open_is_spelt_out(protocol, ethertype, ports, cidr):
    group = SecurityGroup.objects.create(project_id=OWN_PROJECT, name="web")
    SecurityGroupRule.objects.create(
        group=group, direction="ingress", ethertype=ethertype, protocol=protocol
    )

    answer = client_as("reader").get(f"{GROUPS}/{group.pk}").json()["security_group"]

    [rule] = answer["rules"]
    assert (rule["from_port"], rule["to_port"]) == ports
    assert rule["ip_protocol"] == (protocol or None)
    assert rule["ip_range"] == {"cidr": cidr}


@pytest.mark.django_db
def test_groups_cost_two_queries_however_many_there_are(active):
    server = active()
    client = client_as("admin")
    client.get(path_of(server))
    with CaptureQueriesContext(connection) as queries:
        client.get(path_of(server))
    for_one = len(queries)
    more = [SecurityGroup(project_id=OWN_PROJECT, name=f"g{number}") for number in range(5)]
    SecurityGroup.objects.bulk_create(more)
    Port.objects.get(device_id=str(server.pk)).security_groups.set(more)

    with CaptureQueriesContext(connection) as queries:
        assert len(client.get(path_of(server)).json()["security_groups"]) == 5

    assert len(queries) == for_one


@pytest.mark.django_db
def test_a_list_is_of_the_own_project_unless_an_administrator_asks_for_all():
    for project in (OWN_PROJECT, FOREIGN_PROJECT):
        SecurityGroup.objects.create(project_id=project, name="web")

    def projects(who, query=""):
        found = client_as(who).get(GROUPS + query).json()["security_groups"]
        return [group["tenant_id"] for group in found]

    assert projects("reader", "?all_tenants=1") == [OWN_PROJECT]
    assert projects("admin") == [OWN_PROJECT]
    assert projects("admin", "?all_tenants=1") == [OWN_PROJECT, FOREIGN_PROJECT]
    assert projects("admin", "?all_tenants=1&offset=1&limit=1") == [FOREIGN_PROJECT]


@pytest.mark.django_db
def test_a_foreign_group_is_not_found():
    group = SecurityGroup.objects.create(project_id=FOREIGN_PROJECT, name="web")

    assert client_as("member").get(f"{GROUPS}/{group.pk}").status_code == 404
    assert client_as("member").get(f"{GROUPS}/no-uuid").status_code == 404


RULES = "/compute/v2.1/os-security-group-rules"


@pytest.mark.django_db
def test_groups_and_rules_are_made_changed_and_deleted():
    client = client_as("member")
    body = {"security_group": {"name": " web ", "description": None}}

    made = client.post(GROUPS, body, format="json").json()["security_group"]
    path = f"{GROUPS}/{made['id']}"
    assert (made["name"], made["rules"]) == ("web", [])
    again = {"security_group": {"name": "www", "description": "Web"}}
    assert client.put(path, again, format="json").json()["security_group"]["name"] == "www"
    wanted = {
        "parent_group_id": made["id"],
        "ip_protocol": "tcp",
        "from_port": "22",
        "to_port": 22,
        "cidr": "10.0.0.0/8",
    }
    sent = {"security_group_rule": wanted}
    rule = client.post(RULES, sent, format="json").json()["security_group_rule"]
    assert (rule["from_port"], rule["to_port"], rule["group"]) == (22, 22, {})
    assert client.post(RULES, sent, format="json").status_code == 400
    assert client.delete(f"{RULES}/{rule['id']}").status_code == 202
    assert client.delete(f"{RULES}/{rule['id']}").status_code == 404
    assert client.delete(path).status_code == 202
    assert client.get(path).status_code == 404


@pytest.mark.django_db
def test_a_rule_may_name_a_group_as_the_other_side():
    client = client_as("member")
    group = SecurityGroup.objects.create(project_id=OWN_PROJECT, name="web")
    wanted = {"parent_group_id": str(group.pk), "ip_protocol": "icmp", "group_id": str(group.pk)}
    ports = {"from_port": -1, "to_port": -1}

    answer = client.post(RULES, {"security_group_rule": wanted | ports}, format="json")

    rule = answer.json()["security_group_rule"]
    assert rule["group"] == {"name": "web", "tenant_id": OWN_PROJECT}
    assert rule["ip_range"] == {}


@pytest.mark.django_db
def test_servers_follow_groups_and_leave_them(active):
    server = active()
    SecurityGroup.objects.create(project_id=OWN_PROJECT, name="web")
    twins = [SecurityGroup(project_id=OWN_PROJECT, name="twin") for _ in range(2)]
    SecurityGroup.objects.bulk_create(twins)

    def act(action, name):
        path = f"/compute/v2.1/servers/{server.pk}/action"
        return client_as("member").post(path, {action: {"name": name}}, format="json").status_code

    assert act("addSecurityGroup", "web") == 202
    assert act("addSecurityGroup", "web") == 202
    shown = client_as("member").get(path_of(server)).json()["security_groups"]
    assert [group["name"] for group in shown] == ["default", "web"]
    assert act("addSecurityGroup", "no such") == 404
    assert act("addSecurityGroup", "twin") == 409
    assert act("removeSecurityGroup", "web") == 202
    assert act("removeSecurityGroup", "web") == 404
    assert Port.objects.get().filter_wanted == 2

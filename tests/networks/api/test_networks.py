"""The network API: bodies, lists, and who may do what."""

import pytest
from django.utils import timezone

from networks.create import NewPort, create_port
from networks.models import Network, Port, Subnet
from quotas.consume import usage
from quotas.models import QuotaLimit
from tests.networks.conftest import actor_with

pytestmark = pytest.mark.django_db
V2 = "/network/v2.0"
NOBODY = "6b0d4c3e-4d5e-4d64-a7e1-0d1c8c7d5f11"


def post(client, plural, fields, name=None):
    return client.post(f"{V2}/{plural}", {name or plural[:-1]: fields}, format="json")


def make_port(network, actor, **fields):
    wanted = NewPort(str(network.pk), **fields)
    return create_port(wanted=wanted, actor=actor, now=timezone.now())


def error_of(response):
    body = response.json()
    assert set(body) == {"NeutronError"}
    assert set(body["NeutronError"]) == {"type", "message", "detail"}
    return body["NeutronError"]["type"]


def test_version_document_needs_no_token(client):
    response = client.get("/network/")

    assert response.status_code == 200
    assert response.json()["versions"][0]["id"] == "v2.0"


@pytest.mark.parametrize(
    "path", ["networks", "ports", "quotas/p1", "extensions", "security-groups", "routers", ""]
)
def test_everything_else_does(client, path):
    assert client.get(f"{V2}/{path}").status_code == 401


ROWS = ("networks", "subnets", "ports", "security-groups", "security-group-rules")


@pytest.mark.parametrize("plural", ROWS)
def test_list_and_show_agree_with_and_without_json(client_for, network, member, plural):
    make_port(network, member)
    client = client_for(member)

    rows = client.get(f"{V2}/{plural}.json").json()[plural.replace("-", "_")]

    assert rows
    for row in rows:
        assert row["tenant_id"] == row["project_id"]
        shown = client.get(f"{V2}/{plural}/{row['id']}.json").json()
        assert shown == {plural.replace("-", "_")[:-1]: row}


@pytest.mark.parametrize("plural", ROWS)
@pytest.mark.parametrize("pk", ["name", NOBODY])
def test_unknown_thing_is_not_found_also_by_name(client_for, member, plural, pk):
    response = client_for(member).get(f"{V2}/{plural}/{pk}")

    assert response.status_code == 404
    assert error_of(response).endswith("NotFound")


def test_port_has_all_that_clients_read(client_for, network, member):
    response = post(client_for(member), "ports", {"network_id": str(network.pk), "name": "p"})

    assert response.status_code == 201, response.json()
    port = response.json()["port"]
    subnet = network.subnets.get()
    assert port["mac_address"].startswith("fa:16:3e:")
    assert [each["subnet_id"] for each in port["fixed_ips"]] == [str(subnet.pk)]
    assert len(port["security_groups"]) == 1
    assert (port["status"], port["device_id"], port["name"]) == ("DOWN", "", "p")
    assert "binding:host_id" not in port
    assert usage("p1")["ports"] == 1


def test_several_ports_are_made_at_once_or_none(client_for, network, member):
    client = client_for(member)
    good = {"network_id": str(network.pk)}

    made = client.post(f"{V2}/ports", {"ports": [good, good]}, format="json")
    bad = client.post(f"{V2}/ports", {"ports": [good, {**good, "mac_address": "x"}]}, format="json")

    assert made.status_code == 201
    assert len(made.json()["ports"]) == 2
    assert bad.status_code == 400
    assert Port.objects.count() == usage("p1")["ports"] == 2


@pytest.mark.parametrize(
    ("fields", "status", "kind"),
    [
        ({"mac_address": "x"}, 400, "InvalidInput"),
        ({"mac_address": "ff:ff:ff:ff:ff:ff"}, 400, "InvalidInput"),
        ({"fixed_ips": [{"ip_address": "10.6.0.1"}]}, 400, "InvalidIpForNetwork"),
        ({"fixed_ips": [{"ip_address": "10.5.0.1"}]}, 400, "InvalidIpForNetwork"),
        ({"fixed_ips": [{"ip_address": "10.5.0.255"}]}, 400, "InvalidIpForNetwork"),
        ({"fixed_ips": [{"ip_address": "::1"}]}, 400, "InvalidIpForNetwork"),
        ({"fixed_ips": [{"ip_address": "::x"}]}, 400, "InvalidInput"),
        ({"fixed_ips": [{"subnet_id": NOBODY}]}, 400, "InvalidInput"),
        ({"fixed_ips": [{}]}, 400, "Invalid"),
        ({"fixed_ips": [{"ip_address": "10.5.0.77"}]}, 409, "IpAddressInUse"),
        ({"mac_address": "fa:16:3e:00:00:77"}, 409, "MacAddressInUse"),
        ({"network_id": NOBODY}, 404, "NetworkNotFound"),
        ({"network_id": 3}, 400, "Invalid"),
        ({"security_groups": ["no such"]}, 404, "SecurityGroupNotFound"),
        (
            {"port_security_enabled": False, "security_groups": [NOBODY]},
            403,
            "PolicyNotAuthorized",
        ),
        ({"admin_state_up": False}, 400, "Invalid"),
        ({"device_id": "x"}, 400, "Invalid"),
        ({"binding:host_id": "x"}, 400, "InvalidInput"),
        ({"strange": 1}, 400, "InvalidInput"),
        ({"project_id": "p2"}, 403, "PolicyNotAuthorized"),
        ({"project_id": "p1", "tenant_id": "p2"}, 400, "Invalid"),
    ],
)
def test_bad_port_is_refused(client_for, make_network, member, fields, status, kind):
    network = make_network()
    client = client_for(member)
    taken = {"fixed_ips": [{"ip_address": "10.5.0.77"}], "mac_address": "fa:16:3e:00:00:77"}
    post(client, "ports", {"network_id": str(network.pk), **taken})

    response = post(client, "ports", {"network_id": str(network.pk), **fields})

    assert (response.status_code, error_of(response)) == (status, kind), response.json()
    assert Port.objects.count() == usage("p1")["ports"] == 1


@pytest.mark.parametrize("body", [[], {}, {"port": []}, {"ports": []}, {"port": {}, "x": 1}, None])
def test_body_without_its_envelope_is_refused(client_for, member, body):
    response = client_for(member).post(f"{V2}/ports", body, format="json")

    assert response.status_code == 400
    assert error_of(response)


def test_quota_over_is_a_conflict_of_its_own_type(client_for, network, member):
    QuotaLimit.objects.create(project_id="p1", resource="ports", limit=0)

    response = post(client_for(member), "ports", {"network_id": str(network.pk)})

    assert (response.status_code, error_of(response)) == (409, "OverQuota")


def test_port_of_a_server_is_not_deleted(client_for, network, member):
    port = make_port(network, member)
    Port.objects.filter(pk=port.pk).update(device_id=NOBODY)

    response = client_for(member).delete(f"{V2}/ports/{port.pk}")

    assert (response.status_code, error_of(response)) == (409, "PortInUse")


ACTORS = {
    "reader": actor_with("reader"),
    "member": actor_with("member"),
    "admin": actor_with("admin", "p-admin"),
    "foreign member": actor_with("member", "p2"),
    "nobody": actor_with("", None),
}


@pytest.mark.parametrize("who", ACTORS)
def test_who_may_do_what_with_a_port(client_for, network, member, who):
    port = make_port(network, member)
    client = client_for(ACTORS[who])
    address = f"{V2}/ports/{port.pk}"
    sees, writes = who in ("reader", "member", "admin"), who in ("member", "admin")
    refused = 404 if who == "foreign member" else 403

    assert client.get(address).status_code == (200 if sees else refused)
    change = client.put(address, {"port": {"name": "two"}}, format="json")
    assert change.status_code == (200 if writes else refused)
    assert client.delete(address).status_code == (204 if writes else refused)
    made = post(client, "ports", {"network_id": str(network.pk)})
    assert made.status_code == (403 if who in ("reader", "nobody") else 201)


@pytest.mark.parametrize("who", ACTORS)
@pytest.mark.parametrize("is_shared", [True, False])
def test_who_may_do_what_with_a_network(client_for, make_network, who, is_shared):
    network = make_network(project_id="p1", is_shared=is_shared)
    subnet = network.subnets.get()
    client = client_for(ACTORS[who])
    sees = who in ("reader", "member", "admin") or (who == "foreign member" and is_shared)
    refused = 403 if sees or who == "nobody" else 404

    for plural, row in (("subnets", subnet), ("networks", network)):
        address, name = f"{V2}/{plural}/{row.pk}", plural[:-1]
        assert client.get(address).status_code == (200 if sees else refused)
        change = client.put(address, {name: {"name": "two"}}, format="json")
        assert change.status_code == (200 if who == "admin" else refused)
    new_subnet = {"network_id": str(network.pk), "cidr": "10.8.0.0/24", "ip_version": 4}
    assert post(client, "subnets", new_subnet).status_code == (409 if who == "admin" else 403)
    for plural, row in (("subnets", subnet), ("networks", network)):
        deleted = client.delete(f"{V2}/{plural}/{row.pk}")
        assert deleted.status_code == (204 if who == "admin" else refused)
    made = post(client, "networks", {"name": "mine"})
    assert made.status_code == (201 if who == "admin" else 403)


@pytest.mark.parametrize("who", ACTORS)
def test_who_sees_the_security_groups_of_a_project(client_for, member, who):
    group = client_for(member).get(f"{V2}/security-groups").json()["security_groups"][0]
    rule = group["security_group_rules"][0]
    client = client_for(ACTORS[who])
    sees = who in ("reader", "member", "admin")
    refused = 404 if who == "foreign member" else 403

    for path in (f"security-groups/{group['id']}", f"security-group-rules/{rule['id']}"):
        assert client.get(f"{V2}/{path}").status_code == (200 if sees else refused)


def test_default_group_lets_everything_out_and_its_own_members_in(client_for, member):
    (group,) = client_for(member).get(f"{V2}/security-groups").json()["security_groups"]

    rules = {(rule["direction"], rule["ethertype"]) for rule in group["security_group_rules"]}
    assert group["name"] == "default"
    assert rules == {(way, ip) for way in ("ingress", "egress") for ip in ("IPv4", "IPv6")}
    assert all(rule["protocol"] is None for rule in group["security_group_rules"])
    remotes = {rule["remote_group_id"] for rule in group["security_group_rules"]}
    assert remotes == {None, group["id"]}


@pytest.mark.parametrize(
    "path", ["trunks", f"floatingips/{NOBODY}/port_forwardings", "subnetpools", f"trunks/{NOBODY}"]
)
def test_extension_that_is_not_there_is_not_found(client_for, admin, path):
    client = client_for(admin)

    assert client.get(f"{V2}/{path}").status_code == 404
    assert client.post(f"{V2}/{path}", {}, format="json").status_code == 404
    assert error_of(client.get(f"{V2}/extensions/trunk")) == "NotFound"


def test_network_with_its_subnet_is_made_changed_and_deleted(client_for, admin):
    client = client_for(admin)

    network = post(client, "networks", {"name": "blue", "shared": True, "mtu": 1400}).json()[
        "network"
    ]
    subnet = post(
        client,
        "subnets",
        {
            "network_id": network["id"],
            "cidr": "10.8.0.0/24",
            "ip_version": 4,
            "dns_nameservers": ["9.9.9.9"],
            "allocation_pools": [{"start": "10.8.0.10", "end": "10.8.0.20"}],
        },
    ).json()["subnet"]

    assert (network["mtu"], network["shared"], network["status"]) == (1400, True, "ACTIVE")
    assert subnet["gateway_ip"] == "10.8.0.1"
    assert subnet["allocation_pools"] == [{"start": "10.8.0.10", "end": "10.8.0.20"}]
    shown = client.get(f"{V2}/networks/{network['id']}").json()["network"]
    assert shown["subnets"] == [subnet["id"]]
    changed = client.put(
        f"{V2}/networks/{network['id']}", {"network": {"name": "red"}}, format="json"
    ).json()["network"]
    assert (changed["name"], changed["revision_number"]) == ("red", 2)
    assert client.delete(f"{V2}/networks/{network['id']}").status_code == 204
    assert not Network.objects.exists()
    assert not Subnet.objects.exists()
    assert usage("p-admin")["networks"] == usage("p-admin")["subnets"] == 0


@pytest.mark.parametrize(
    ("fields", "status", "kind"),
    [
        ({"cidr": "10.5.0.128/25"}, 400, "InvalidInput"),
        ({"cidr": "10.0.0.0/8"}, 400, "InvalidInput"),
        ({"cidr": "10.8.0.1/24"}, 400, "InvalidInput"),
        ({"cidr": "127.0.0.0/24"}, 400, "InvalidInput"),
        ({"cidr": "224.0.0.0/24"}, 400, "InvalidInput"),
        ({"cidr": "10.8.0.0/31"}, 400, "InvalidInput"),
        ({"cidr": "fd00::/64"}, 400, "InvalidInput"),
        ({"ip_version": 6}, 400, "InvalidInput"),
        ({"ip_version": 5}, 400, "Invalid"),
        ({"ipv6_ra_mode": "slaac"}, 400, "InvalidInput"),
        ({"ipv6_address_mode": "fast"}, 400, "Invalid"),
        ({"gateway_ip": "10.9.0.1"}, 400, "InvalidInput"),
        ({"gateway_ip": "10.8.0.255"}, 400, "InvalidInput"),
        ({"gateway_ip": None}, 400, "Invalid"),
        ({"dns_nameservers": ["x"]}, 400, "InvalidInput"),
        ({"allocation_pools": [{"start": "10.8.0.9", "end": "10.8.0.2"}]}, 400, "InvalidInput"),
        ({"allocation_pools": [{"start": "10.8.0.9", "end": "10.9.0.2"}]}, 400, "InvalidInput"),
        ({"allocation_pools": [{"start": "10.8.0.1", "end": "10.8.0.9"}]}, 409, "Conflict"),
        ({"network_id": NOBODY}, 404, "NetworkNotFound"),
        ({"subnetpool_id": NOBODY}, 400, "InvalidInput"),
        ({"host_routes": [{}]}, 400, "Invalid"),
        ({"project_id": "p1"}, 400, "InvalidInput"),
    ],
)
def test_bad_subnet_is_refused(client_for, make_network, admin, fields, status, kind):
    make_network()
    bare = make_network(None)
    good = {"network_id": str(bare.pk), "cidr": "10.8.0.0/24", "ip_version": 4}

    response = post(client_for(admin), "subnets", {**good, **fields})

    assert (response.status_code, error_of(response)) == (status, kind), response.json()
    assert Subnet.objects.count() == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"admin_state_up": False},
        {"provider:network_type": "vlan"},
        {"mtu": 100},
        {"name": 3},
        {"port_security_enabled": False},
    ],
)
def test_network_that_hosts_cannot_make_is_refused(client_for, admin, fields):
    assert post(client_for(admin), "networks", fields).status_code == 400
    assert not Network.objects.exists()


def test_network_with_ports_is_neither_deleted_nor_made_private(client_for, network, member, admin):
    make_port(network, member)
    client = client_for(admin)
    address = f"{V2}/networks/{network.pk}"

    deleted = client.delete(address)
    subnet_deleted = client.delete(f"{V2}/subnets/{network.subnets.get().pk}")
    private = client.put(address, {"network": {"shared": False}}, format="json")

    assert (deleted.status_code, error_of(deleted)) == (409, "NetworkInUse")
    assert (subnet_deleted.status_code, error_of(subnet_deleted)) == (409, "SubnetInUse")
    assert (private.status_code, error_of(private)) == (409, "InvalidSharedSetting")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", {"a", "b"}),
        ("name=a", {"a"}),
        ("name=a&name=b", {"a", "b"}),
        ("fixed_ips=ip_address%3D10.5.0.77", {"a"}),
        ("fixed_ips=ip_address=10.5.0.78", set()),
        ("fixed_ips=ip_address=0", set()),
        ("fixed_ips=x", set()),
        ("mac_address=FA:16:3E:00:00:77", {"a"}),
        ("device_id=", {"a", "b"}),
        ("status=ACTIVE", set()),
        ("network_id=x", set()),
        ("tenant_id=p1", {"a", "b"}),
        ("project_id=p2", set()),
        ("admin_state_up=true", {"a", "b"}),
        ("port_security_enabled=false", set()),
        ("unheard_of=x", {"a", "b"}),
    ],
)
def test_list_shows_what_is_asked_for(client_for, network, member, query, names):
    client = client_for(member)
    fixed = {"fixed_ips": [{"ip_address": "10.5.0.77"}], "mac_address": "fa:16:3e:00:00:77"}
    post(client, "ports", {"network_id": str(network.pk), "name": "a", **fixed})
    beside = {"fixed_ips": [{"ip_address": "10.5.0.79"}], "mac_address": "fa:16:3e:00:00:79"}
    post(client, "ports", {"network_id": str(network.pk), "name": "b", **beside})
    make_port(network, actor_with("member", "p2"), name="foreign")

    response = client.get(f"{V2}/ports?{query}")

    assert response.status_code == 200
    assert {port["name"] for port in response.json()["ports"]} == names


@pytest.mark.parametrize(
    "query",
    ["limit=x", "limit=-1", "marker=x", "sort_key=x", "sort_key=name&sort_dir=up", "shared=maybe"],
)
def test_bad_query_is_refused(client_for, network, member, query):
    response = client_for(member).get(f"{V2}/networks?{query}")

    assert response.status_code == 400
    assert error_of(response)


def test_only_the_fields_asked_for_are_shown(client_for, network, member):
    (row,) = client_for(member).get(f"{V2}/networks?fields=id&fields=name").json()["networks"]

    assert row == {"id": str(network.pk), "name": "net"}


def test_pages_hold_every_port_once_forwards_and_backwards(client_for, network, member):
    for number in range(7):
        make_port(network, member, name=f"n{number % 3}")
    client = client_for(member)
    pages, link = [], f"{V2}/ports?limit=3&sort_key=name&sort_dir=desc"
    while link:
        body = client.get(link).json()
        pages.append([port["id"] for port in body["ports"]])
        links = {each["rel"]: each["href"] for each in body.get("ports_links", [])}
        link = links.get("next", "").removeprefix("http://127.0.0.1:8000")
        back = links.get("previous", "").removeprefix("http://127.0.0.1:8000")

    before = [port["id"] for port in client.get(back).json()["ports"]]

    assert [len(page) for page in pages] == [3, 3, 1]
    assert len({pk for page in pages for pk in page}) == 7
    assert before == pages[1]


@pytest.mark.parametrize(("plural", "queries"), [("networks", 4), ("ports", 4), ("subnets", 2)])
def test_list_takes_a_constant_number_of_queries(
    client_for, network, member, django_assert_num_queries, plural, queries
):
    for _ in range(10):
        make_port(network, member)
    client = client_for(member)

    with django_assert_num_queries(queries):
        client.get(f"{V2}/{plural}")


def test_quota_of_a_project_is_shown_to_its_own(client_for, network, member):
    QuotaLimit.objects.create(project_id="p1", resource="ports", limit=7)
    make_port(network, member)
    client = client_for(member)

    assert client.get(f"{V2}/quotas/p1").json()["quota"]["port"] == 7
    assert client.get(f"{V2}/quotas/p1/default").json()["quota"]["port"] == 500
    details = client.get(f"{V2}/quotas/p1/details.json").json()["quota"]
    assert details["port"] == {"limit": 7, "used": 1, "reserved": 0}
    assert client.get(f"{V2}/quotas/p2").status_code == 403


def test_what_is_chosen_without_asking_can_be_asked(client_for, make_network, member):
    client = client_for(member)
    address = f"{V2}/auto-allocated-topology/p1"

    nothing = client.get(address)
    network = make_network()
    found = client.get(address).json()["auto_allocated_topology"]
    dry = client.get(f"{address}?fields=dry-run").json()["auto_allocated_topology"]

    assert (nothing.status_code, error_of(nothing)) == (409, "AutoAllocationFailure")
    assert (found["id"], dry["id"]) == (str(network.pk), "dry-run=pass")


def test_service_says_what_it_has(client_for, member):
    client = client_for(member)

    aliases = {each["alias"] for each in client.get(f"{V2}/extensions").json()["extensions"]}
    assert "security-group" in aliases
    assert aliases >= {"router", "provider", "external-net", "fip-port-details"}
    assert not aliases & {"trunk", "dns-integration", "floating-ip-port-forwarding"}
    assert client.get(f"{V2}/extensions/quotas").json()["extension"]["alias"] == "quotas"
    assert client.get(f"{V2}/availability_zones").json()["availability_zones"]
    assert {each["name"] for each in client.get(f"{V2}/").json()["resources"]} >= {"port"}

"""Tags, revisions, networks that are lent, and what lets a guest send as others."""

import pytest
from django.utils import timezone

from hypervisors.libvirt.filters import FilterRule, FilterSpec, filter_xml
from networks.create import NewPort, create_port
from networks.errors import BadNetworkRequest
from networks.models import GroupChange, NetworkShare, Port, Tag
from networks.packet_rules import port_filter
from networks.server_ports import RequestedNetwork, plan_ports
from tests.networks.api.test_networks import error_of
from tests.networks.conftest import actor_with

pytestmark = pytest.mark.django_db
V2 = "/network/v2.0"
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def client(client_for, member):
    return client_for(member)


@pytest.fixture
def own(make_network):
    """A network of the member's project."""
    return make_network("10.8.0.0/24", name="own", project_id="p1", is_shared=False)


def post(client, plural, body):
    return client.post(f"{V2}/{plural}", body, format="json")


def put(client, path, body=None):
    return client.put(f"{V2}/{path}", body, format="json")


@pytest.fixture
def things(client_for, admin, make_network):
    """One thing of each kind, by its address, of an administrator's project."""
    client = client_for(admin)
    network = make_network()
    outside = client.post(
        f"{V2}/networks", {"network": {"name": "out", "router:external": True}}, format="json"
    ).json()["network"]["id"]
    subnet = {"network_id": outside, "cidr": "203.0.113.0/28", "ip_version": 4}
    assert post(client, "subnets", {"subnet": subnet}).status_code == 201
    made = {
        "ports": ("port", {"network_id": str(network.pk)}),
        "security-groups": ("security_group", {"name": "g"}),
        "routers": ("router", {"name": "r"}),
        "floatingips": ("floatingip", {"floating_network_id": outside}),
    }
    found = {"networks": str(network.pk), "subnets": str(network.subnets.get().pk)}
    for plural, (name, fields) in made.items():
        found[plural] = post(client, plural, {name: fields}).json()[name]["id"]
    group = client.get(f"{V2}/security-groups/{found['security-groups']}").json()
    found["security-group-rules"] = group["security_group"]["security_group_rules"][0]["id"]
    return found


def test_everything_has_tags_and_is_found_by_them(client_for, admin, things):
    client = client_for(admin)
    for plural, key in things.items():
        path, name = f"{plural}/{key}", plural.replace("-", "_")

        assert put(client, f"{path}/tags", {"tags": ["red", "blue"]}).json() == {
            "tags": ["blue", "red"]
        }
        assert put(client, f"{path}/tags/green").status_code == 201
        assert client.get(f"{V2}/{path}/tags/green").status_code == 204
        assert client.delete(f"{V2}/{path}/tags/red").status_code == 204
        assert error_of(client.delete(f"{V2}/{path}/tags/red")) == "TagNotFound"
        assert client.get(f"{V2}/{path}/tags").json() == {"tags": ["blue", "green"]}

        shown = client.get(f"{V2}/{path}").json()
        assert next(iter(shown.values()))["tags"] == ["blue", "green"]
        for query, is_found in (
            ("tags=blue", True),
            ("tags=blue,green", True),
            ("tags=blue,red", False),
            ("tags-any=blue,red", True),
            ("tags-any=red", False),
            ("not-tags=blue,red", True),
            ("not-tags=blue", False),
            ("not-tags-any=blue,red", False),
            ("not-tags-any=red", True),
        ):
            rows = client.get(f"{V2}/{plural}?{query}").json()[name]
            assert (key in {row["id"] for row in rows}) is is_found, (plural, query)
        assert client.delete(f"{V2}/{path}/tags").status_code == 204
    assert not Tag.objects.exists()


@pytest.mark.parametrize(
    "tags", [[""], ["x" * 256], [f"t{n}" for n in range(51)], ["a\0"], "a", [1], None]
)
def test_tags_that_are_none_are_refused(client_for, admin, own, tags):
    assert put(client_for(admin), f"networks/{own.pk}/tags", {"tags": tags}).status_code == 400


def test_who_may_tag(client_for, client, own):
    group = post(client, "security-groups", {"security_group": {"name": "g"}}).json()
    path = f"security-groups/{group['security_group']['id']}/tags"
    statuses = [
        put(client_for(actor_with(role, project)), path, {"tags": ["a"]}).status_code
        for role, project in (
            *(("reader", "p1"), ("member", "p2"), ("member", "p1"), ("admin", "p-admin")),
        )
    ]

    # A network's are for those who may change it.
    assert statuses == [403, 404, 200, 200]
    assert put(client, f"networks/{own.pk}/tags/a").status_code == 403
    assert client.get(f"{V2}/networks/{own.pk}/tags").json() == {"tags": []}


def test_lists_ask_for_tags_once_however_many_there_are(
    client_for, member, network, django_assert_num_queries
):
    client = client_for(member)
    counts = []
    for _ in range(2):
        port = post(client, "ports", {"port": {"network_id": str(network.pk)}}).json()["port"]
        put(client, f"ports/{port['id']}/tags/a")
        with django_assert_num_queries(4):
            rows = client.get(f"{V2}/ports").json()["ports"]
        counts.append(len(rows))

    assert counts == [1, 2]
    assert all(row["tags"] == ["a"] for row in rows)


def test_a_change_of_what_was_changed_meanwhile_is_refused(client, network):
    port = post(client, "ports", {"port": {"network_id": str(network.pk)}}).json()["port"]
    path, number = f"{V2}/ports/{port['id']}", port["revision_number"]

    def change(method, match):
        return method(path, {"port": {"name": "x"}}, format="json", headers={"If-Match": match})

    assert change(client.put, f"revision_number={number}").status_code == 200
    stale = change(client.put, f"revision_number={number}")
    gone = change(client.delete, f"revision_number={number}")
    assert change(client.put, "7").status_code == 400
    assert change(client.delete, f"revision_number={number + 1}").status_code == 204

    assert (stale.status_code, error_of(stale)) == (412, "RevisionNumberConstraintFailed")
    assert gone.status_code == 412


def lend(client, network, target="p2", **fields):
    body = {
        "object_type": "network",
        "object_id": str(network.pk),
        "action": "access_as_shared",
        "target_tenant": target,
        **fields,
    }
    return post(client, "rbac-policies", {"rbac_policy": body})


def test_a_network_that_is_lent_is_the_borrowers_too(client_for, client, own):
    borrower = actor_with("member", "p2")
    other = client_for(borrower)
    assert other.get(f"{V2}/networks").json() == {"networks": []}

    made = lend(client, own).json()["rbac_policy"]

    [seen] = other.get(f"{V2}/networks").json()["networks"]
    assert (seen["id"], seen["shared"]) == (str(own.pk), True)
    assert client.get(f"{V2}/networks/{own.pk}").json()["network"]["shared"] is False
    assert len(other.get(f"{V2}/subnets").json()["subnets"]) == 1
    port = post(other, "ports", {"port": {"network_id": str(own.pk)}}).json()["port"]
    planned = plan_ports(requested=None, count=1, actor=borrower)
    assert [each.network for each in planned] == [own]
    assert client_for(actor_with("member", "p3")).get(f"{V2}/networks").json()["networks"] == []
    assert other.get(f"{V2}/rbac-policies").json() == {"rbac_policies": []}

    path = f"{V2}/rbac-policies/{made['id']}"
    in_use = client.delete(path)
    moved = put(client, f"rbac-policies/{made['id']}", {"rbac_policy": {"target_tenant": "p3"}})
    assert [error_of(each) for each in (in_use, moved)] == ["RbacPolicyInUse"] * 2
    other.delete(f"{V2}/ports/{port['id']}")
    assert client.delete(path).status_code == 204
    with pytest.raises(BadNetworkRequest):
        plan_ports(requested=[RequestedNetwork(str(own.pk))], count=1, actor=borrower)


def test_policies_are_listed_changed_and_filtered(client_for, client, admin, own):
    first = lend(client, own).json()["rbac_policy"]
    boss = client_for(admin)
    lend(boss, own, "*")

    changed = put(client, f"rbac-policies/{first['id']}", {"rbac_policy": {"target_tenant": "p3"}})
    rows = client.get(f"{V2}/rbac-policies?target_tenant=p3").json()["rbac_policies"]

    assert changed.json()["rbac_policy"]["target_tenant"] == "p3"
    assert [row["id"] for row in rows] == [first["id"]]
    assert first["object_type"] == "network"
    assert first["project_id"] == first["tenant_id"] == "p1"
    shared = client.get(f"{V2}/networks?shared=true").json()["networks"]
    assert [row["id"] for row in shared] == [str(own.pk)]
    assert client.get(f"{V2}/networks?shared=false").json()["networks"] == []


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"action": "access_as_external"}, 400),
        ({"object_type": "qos_policy"}, 400),
        ({"object_id": NOBODY}, 404),
        ({"target_tenant": "*"}, 403),
        ({"target_project_id": "p3"}, 400),
        ({"strange": 1}, 400),
    ],
)
def test_policies_that_make_no_sense_are_refused(client, own, fields, status):
    assert lend(client, own, **{"target": "p2", **fields}).status_code == status
    assert not NetworkShare.objects.exists()


def test_who_may_lend(client_for, client, own, network):
    assert lend(client_for(actor_with("reader")), own).status_code == 403
    assert lend(client_for(actor_with("member", "p2")), own).status_code == 404
    assert lend(client, network).status_code == 403
    made = lend(client, own)
    twice = lend(client, own)
    path = f"{V2}/rbac-policies/{made.json()['rbac_policy']['id']}"
    foreign = client_for(actor_with("member", "p2"))
    assert [foreign.get(path).status_code, foreign.delete(path).status_code] == [404, 404]
    assert client_for(actor_with("reader")).delete(path).status_code == 403

    assert (twice.status_code, error_of(twice)) == (409, "DuplicateRbacPolicy")


def test_pairs_let_a_guest_send_as_others(client, own):
    pairs = [
        {"ip_address": "10.8.0.99"},
        {"ip_address": "FD00::/80", "mac_address": "FA-16-3E-00-00-01"},
    ]
    body = {"network_id": str(own.pk), "allowed_address_pairs": pairs[:1]}
    port = post(client, "ports", {"port": body}).json()["port"]
    Port.objects.update(device_id="s1", host="h1")

    changed = put(client, f"ports/{port['id']}", {"port": {"allowed_address_pairs": pairs}})

    assert changed.status_code == 200, changed.content
    assert changed.json()["port"]["allowed_address_pairs"] == [
        {"mac_address": port["mac_address"], "ip_address": "10.8.0.99"},
        {"mac_address": "fa:16:3e:00:00:01", "ip_address": "fd00::/80"},
    ]
    row = Port.objects.get()
    assert row.filter_wanted == 1
    spec = port_filter(row)
    assert spec.pairs[1] == ("fa:16:3e:00:00:01", "fd00::/80")
    xml = filter_xml(spec)
    assert 'arpsrcipaddr="10.8.0.99" arpsrcipmask="32"' in xml
    assert 'srcmacaddr="fa:16:3e:00:00:01" srcipaddr="fd00::" srcipmask="80"' in xml
    assert (
        put(client, f"ports/{port['id']}", {"port": {"allowed_address_pairs": []}}).json()["port"][
            "allowed_address_pairs"
        ]
        == []
    )


def test_what_a_member_may_send_as_is_let_in_by_its_group(client, own, member):
    body = {"network_id": str(own.pk)}
    port = post(client, "ports", {"port": body}).json()["port"]
    other = create_port(wanted=NewPort(str(own.pk)), actor=member, now=timezone.now())
    pairs = [{"ip_address": "10.8.0.99"}]
    GroupChange.objects.all().delete()

    put(client, f"ports/{port['id']}", {"port": {"allowed_address_pairs": pairs}})

    rules = port_filter(other).rules
    assert rules is not None
    assert FilterRule("in", remote="10.8.0.99/32") in rules
    assert GroupChange.objects.get().is_of_members


@pytest.mark.once
def test_without_pairs_a_filter_is_as_before():
    spec = FilterSpec("p", "fa:16:3e:00:00:01", ("10.0.0.5",))

    assert "arpsrcipmask" not in filter_xml(spec)


@pytest.mark.parametrize(
    ("fields", "status", "kind"),
    [
        ({"allowed_address_pairs": [{"ip_address": "x"}]}, 400, "InvalidInput"),
        ({"allowed_address_pairs": [{"mac_address": "fa:16:3e:00:00:01"}]}, 400, "Invalid"),
        (
            {"allowed_address_pairs": [{"ip_address": "10.0.0.1", "mac_address": "x"}]},
            400,
            "InvalidInput",
        ),
        (
            {"allowed_address_pairs": [{"ip_address": "10.0.0.1"}] * 2},
            400,
            "DuplicateAddressPairInRequest",
        ),
        (
            {"allowed_address_pairs": [{"ip_address": f"10.0.0.{n}"} for n in range(11)]},
            400,
            "InvalidInput",
        ),
        (
            {
                "allowed_address_pairs": [{"ip_address": "10.0.0.1"}],
                "port_security_enabled": False,
            },
            409,
            "AddressPairAndPortSecurityRequired",
        ),
    ],
)
def test_pairs_that_make_no_sense_are_refused(client, own, fields, status, kind):
    response = post(client, "ports", {"port": {"network_id": str(own.pk), **fields}})

    assert (response.status_code, error_of(response)) == (status, kind), response.json()
    assert not Port.objects.exists()


@pytest.mark.parametrize(
    "fields",
    [{"allowed_address_pairs": [{"ip_address": "10.5.0.9"}]}, {"port_security_enabled": False}],
)
def test_on_a_network_of_others_nobody_sends_as_others(client_for, admin, member, network, fields):
    port = create_port(wanted=NewPort(str(network.pk)), actor=member, now=timezone.now())
    body = {"network_id": str(network.pk), **fields}
    quiet = {"security_groups": [], **fields}

    refused = post(client_for(member), "ports", {"port": body})
    changed = put(client_for(member), f"ports/{port.pk}", {"port": quiet})
    allowed = put(client_for(admin), f"ports/{port.pk}", {"port": quiet})

    assert [refused.status_code, changed.status_code, allowed.status_code] == [403, 403, 200]

"""Other services' things in the compute API, until when and how."""

import pytest

from networks.models import Network
from quotas.models import QuotaLimit
from tests.authorisation import OWN_PROJECT, client_as

BASE = "/compute/v2.1"
CALLS = [
    ("GET", "os-networks"),
    ("GET", "os-networks/x"),
    ("GET", "os-tenant-networks"),
    ("GET", "os-tenant-networks/x"),
    ("GET", "os-floating-ip-pools"),
    ("GET", "os-floating-ips"),
    ("POST", "os-floating-ips"),
    ("GET", "os-floating-ips/x"),
    ("DELETE", "os-floating-ips/x"),
    ("GET", "os-security-groups"),
    ("POST", "os-security-groups"),
    ("GET", "os-security-groups/x"),
    ("PUT", "os-security-groups/x"),
    ("DELETE", "os-security-groups/x"),
    ("POST", "os-security-group-rules"),
    ("DELETE", "os-security-group-rules/x"),
    ("GET", "os-volumes"),
    ("GET", "os-volumes/detail"),
    ("POST", "os-volumes"),
    ("GET", "os-volumes/x"),
    ("DELETE", "os-volumes/x"),
    ("GET", "os-snapshots"),
    ("GET", "os-snapshots/detail"),
    ("POST", "os-snapshots"),
    ("GET", "os-snapshots/x"),
    ("DELETE", "os-snapshots/x"),
    ("GET", "os-baremetal-nodes"),
    ("POST", "os-baremetal-nodes"),
    ("GET", "os-baremetal-nodes/x"),
    ("DELETE", "os-baremetal-nodes/x"),
    ("POST", "os-baremetal-nodes/x/action"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "path"), CALLS)
def test_all_of_it_ends_at_2_35(method, path):
    answer = getattr(client_as("admin", "2.36"), method.lower())(f"{BASE}/{path}")

    assert answer.status_code == 404
    message = answer.json()["itemNotFound"]["message"]
    assert message == "The resource could not be found."


@pytest.mark.parametrize("version", ["2.1", "2.35", "2.36", "2.104"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "os-networks"),
        ("delete", "os-networks/x"),
        ("post", "os-networks/add"),
        ("post", "os-networks/x/action"),
        ("post", "os-tenant-networks"),
        ("delete", "os-tenant-networks/x"),
    ],
)
def test_networks_can_only_be_read_at_every_microversion(version, method, path):
    assert getattr(client_as("admin", version), method)(f"{BASE}/{path}").status_code == 410


@pytest.mark.django_db
def test_networks_have_an_id_and_a_label(network):
    own = Network.objects.create(name="own", project_id=OWN_PROJECT)
    Network.objects.create(name="hidden", project_id="other")

    networks = client_as("reader").get(f"{BASE}/os-networks").json()["networks"]
    one = client_as("reader").get(f"{BASE}/os-networks/{own.pk}").json()["network"]
    for_admin = client_as("admin").get(f"{BASE}/os-networks/{own.pk}").json()["network"]

    assert [each["label"] for each in networks] == ["own", "private"]
    assert one["id"] == str(own.pk)
    assert one["cidr"] is None
    assert "bridge" not in one
    assert for_admin["bridge"] is None


@pytest.mark.django_db
def test_networks_of_a_project_are_shorter(network):
    expected = {"id": str(network.pk), "label": "private", "cidr": "None"}

    answer = client_as("reader").get(f"{BASE}/os-tenant-networks").json()

    assert answer == {"networks": [expected]}


def make_pool(last="203.0.113.2"):
    network = Network.objects.create(name="public", project_id="other", is_external=True)
    network.subnets.create(
        project_id="other",
        cidr="203.0.113.0/24",
        gateway_ip="203.0.113.1",
        allocation_pools=[["203.0.113.2", last]],
    )
    return network


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("pool", "status"), [({}, 200), ({"pool": "public"}, 200), ({"pool": "no"}, 404)]
)
def test_external_networks_are_pools(pool, status):
    make_pool()
    client = client_as("member")

    assert client.get(f"{BASE}/os-floating-ip-pools").json() == {
        "floating_ip_pools": [{"name": "public"}]
    }
    assert client.post(f"{BASE}/os-floating-ips", pool).status_code == status


@pytest.mark.django_db
def test_a_floating_ip_is_taken_shown_and_given_back():
    make_pool()
    client, other = client_as("member"), client_as("foreign member")

    taken = client.post(f"{BASE}/os-floating-ips", {"pool": "public"}).json()["floating_ip"]

    assert taken == {
        "id": taken["id"],
        "ip": "203.0.113.2",
        "pool": "public",
        "fixed_ip": None,
        "instance_id": None,
    }
    path = f"{BASE}/os-floating-ips/{taken['id']}"
    assert client.get(path).json() == {"floating_ip": taken}
    assert client.get(f"{BASE}/os-floating-ips").json() == {"floating_ips": [taken]}
    assert other.get(f"{BASE}/os-floating-ips").json() == {"floating_ips": []}
    assert other.delete(path).status_code == 404
    empty = client.post(f"{BASE}/os-floating-ips", {"pool": "public"})
    assert empty.status_code == 404
    assert empty.json()["itemNotFound"]["message"] == "No more floating IPs in pool public."
    assert client.delete(path).status_code == 202
    assert client.get(path).status_code == 404


@pytest.mark.django_db
def test_floating_ips_have_a_quota():
    make_pool()
    QuotaLimit.objects.create(project_id=OWN_PROJECT, resource="floating_ips", limit=0)

    refused = client_as("member").post(f"{BASE}/os-floating-ips", {})

    assert refused.status_code == 403
    assert refused.json()["forbidden"]["message"] == "IP allocation over quota."

"""Other services' things in the compute API: who may, and until when."""

import pytest

from networks.models import Network
from tests.authorisation import (
    ADMINS,
    EVERYBODY,
    MEMBERS,
    OWN_PROJECT,
    READERS,
    Endpoint,
    client_as,
    matrix,
)

BASE = "/compute/v2.1"
# Whoever has a role in a project has one in the own one.
ANY_READER = READERS | {"foreign reader", "foreign member", "foreign manager"}
ANY_MEMBER = MEMBERS | {"foreign member", "foreign manager"}
CALLS = [
    ("GET", "os-networks", 200, ANY_READER),
    ("GET", "os-networks/x", 404, ANY_READER),
    ("GET", "os-tenant-networks", 200, ANY_READER),
    ("GET", "os-tenant-networks/x", 404, ANY_READER),
    ("GET", "os-floating-ip-pools", 200, EVERYBODY),
    ("GET", "os-floating-ips", 200, ANY_READER),
    ("POST", "os-floating-ips", 404, ANY_MEMBER),
    ("GET", "os-floating-ips/x", 404, ANY_READER),
    ("DELETE", "os-floating-ips/x", 404, ANY_MEMBER),
    ("GET", "os-security-groups", 200, ANY_READER),
    ("POST", "os-security-groups", 501, ANY_MEMBER),
    ("GET", "os-security-groups/x", 404, ANY_READER),
    ("PUT", "os-security-groups/x", 501, ANY_MEMBER),
    ("DELETE", "os-security-groups/x", 501, ANY_MEMBER),
    ("POST", "os-security-group-rules", 501, ANY_MEMBER),
    ("DELETE", "os-security-group-rules/x", 501, ANY_MEMBER),
    ("GET", "os-volumes", 200, ANY_READER),
    ("GET", "os-volumes/detail", 200, ANY_READER),
    ("POST", "os-volumes", 501, ANY_MEMBER),
    ("GET", "os-volumes/x", 404, ANY_READER),
    ("DELETE", "os-volumes/x", 404, ANY_MEMBER),
    ("GET", "os-snapshots", 200, ANY_READER),
    ("GET", "os-snapshots/detail", 200, ANY_READER),
    ("POST", "os-snapshots", 501, ANY_MEMBER),
    ("GET", "os-snapshots/x", 404, ANY_READER),
    ("DELETE", "os-snapshots/x", 404, ANY_MEMBER),
    ("GET", "os-baremetal-nodes", 200, ADMINS),
    ("POST", "os-baremetal-nodes", 400, ADMINS),
    ("GET", "os-baremetal-nodes/x", 404, ADMINS),
    ("DELETE", "os-baremetal-nodes/x", 400, ADMINS),
    ("POST", "os-baremetal-nodes/x/action", 400, ADMINS),
]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("endpoint", "who"),
    matrix(
        Endpoint(method, f"{BASE}/{path}", ok, allowed, microversion="2.35")
        for method, path, ok, allowed in CALLS
    ),
)
def test_who_may_do_what(endpoint, who):
    assert endpoint.status(who) == endpoint.expected(who)


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "path"), [call[:2] for call in CALLS])
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


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("pool", "status"), [({}, 501), ({"pool": "public"}, 501), ({"pool": "no"}, 404)]
)
def test_external_networks_are_pools(pool, status):
    Network.objects.create(name="public", project_id="other", is_external=True)
    client = client_as("member")

    assert client.get(f"{BASE}/os-floating-ip-pools").json() == {
        "floating_ip_pools": [{"name": "public"}]
    }
    assert client.post(f"{BASE}/os-floating-ips", pool).status_code == status

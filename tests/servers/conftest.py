"""An image, a flavor, a network and a host to make servers of, and the actors who ask."""

from datetime import UTC, datetime

import pytest

from flavors.models import Flavor
from hypervisors.models import HostState, Hypervisor
from images.models import Image, ImageStatus, Visibility
from networks.models import Network, Subnet
from operations.models import Operation
from servers.create import create_servers
from servers.models import Server
from servers.states import VmState
from servers.wanted import CreateServers
from tests.authorisation import FOREIGN_PROJECT, OWN_PROJECT, actor_named, client_as

NOW = datetime(2026, 5, 4, 12, 30, 15, 123456, UTC)
GIB = 1024**3


@pytest.fixture
def now():
    return NOW


@pytest.fixture
def flavor(db):
    return Flavor.objects.create(
        flavorid="1", name="m1.tiny", vcpus=1, ram_mib=256, disk_gib=1, extra_specs={}
    )


@pytest.fixture
def image(db):
    return Image.objects.create(
        name="tiny",
        owner=OWN_PROJECT,
        status=ImageStatus.ACTIVE,
        visibility=Visibility.PUBLIC,
        disk_format="qcow2",
        container_format="bare",
        size=50 * 1024**2,
        virtual_size=GIB // 2,
        sha256="0" * 64,
    )


@pytest.fixture
def network(db):
    network = Network.objects.create(name="private", project_id=FOREIGN_PROJECT, is_shared=True)
    Subnet.objects.create(
        network=network,
        name="private",
        project_id=FOREIGN_PROJECT,
        cidr="10.20.0.0/22",
        gateway_ip="10.20.0.1",
        allocation_pools=[["10.20.0.10", "10.20.3.250"]],
    )
    return network


@pytest.fixture
def host(db):
    return Hypervisor.objects.create(
        name="alpha",
        hostname="alpha.lab",
        uri="qemu+ssh://root@alpha/system",
        state=HostState.UP,
        vcpus=8,
        ram_mib=16384,
        disk_gib=100,
    )


@pytest.fixture
def parts(flavor, image, network, host):
    """All that a server is made of."""
    return {"flavor": flavor, "image": image, "network": network, "host": host}


@pytest.fixture
def wanted(parts):
    """What an ordinary request wants; keywords change it."""

    def make(**changes):
        fields = {"name": "web", "flavor_id": "1", "image_id": parts["image"].pk, **changes}
        return CreateServers(**fields)

    return make


@pytest.fixture
def member():
    return actor_named("member")


@pytest.fixture
def admin():
    return actor_named("admin")


@pytest.fixture
def body(parts):
    """The body of an ordinary request; keywords change the fields of the server."""

    def make(**changes):
        server = {
            "name": "web",
            "flavorRef": "1",
            "imageRef": str(parts["image"].pk),
            "networks": [{"uuid": str(parts["network"].pk)}],
            **changes,
        }
        return {"server": {key: value for key, value in server.items() if value is not ...}}

    return make


@pytest.fixture
def post(db):
    """POST a create request at a microversion as somebody."""

    def call(body, version="2.1", who="member"):
        return client_as(who, version).post("/compute/v2.1/servers", body, format="json")

    return call


@pytest.fixture
def active(wanted, now, host):
    """An active server of the project, as its build leaves it; keywords are its own fields."""

    def make(name="web", **fields):
        server = create_servers(wanted=wanted(name=name), actor=actor_named("owner"), now=now)[0]
        Operation.objects.all().delete()
        state = {"vm_state": VmState.ACTIVE, "task_state": None, "power_state": 1}
        placed = {"hypervisor": host, "availability_zone": "nova", "launched_at": now}
        Server.objects.filter(pk=server.pk).update(**{**state, **placed, **fields})
        return Server.objects.get(pk=server.pk)

    return make

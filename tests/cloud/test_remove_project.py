"""A project with a server, a volume, a network and a floating IP goes; nothing stays anywhere."""

from __future__ import annotations

import ipaddress
import uuid
from typing import Any

import openstack
import pytest

from tests.cloud import blink, hosts
from tests.cloud.conftest import Cloud
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire, pytest.mark.long]

PASSWORD = "long-enough-1"
LEFT = """
import json
from networks.models import FloatingPlace
from tests.maintenance.possessions import left_of
from volumes.models import Volume
print(json.dumps(left_of({project!r}) + [str(each) for each in FloatingPlace.objects.all()]))
"""


@pytest.fixture
def owner(empty_cloud: Cloud):
    """Somebody who runs a new project."""
    admin: Any = empty_cloud.portal.connection("cloudportal-admin")
    name = f"doomed-{uuid.uuid4().hex[:6]}"
    project = admin.identity.create_project(name=name)
    user = admin.identity.create_user(name=name, password=PASSWORD)
    role = admin.identity.find_role("admin")
    admin.identity.assign_project_role_to_user(project, user, role)
    yield openstack.connect(
        auth_url=f"{empty_cloud.portal.url}/identity/v3",
        username=name,
        password=PASSWORD,
        project_name=name,
        user_domain_id="default",
        project_domain_id="default",
        load_envvars=False,
        load_yaml_config=False,
    )
    admin.identity.delete_user(user)


@pytest.fixture
def outside(empty_cloud: Cloud):
    """An external network of somebody else's, on the hosts' own."""
    admin: Any = empty_cloud.portal.connection("cloudportal-admin")
    lab = ipaddress.IPv4Network(empty_cloud.lab.subnet)
    network = admin.network.create_network(
        name="outside",
        is_router_external=True,
        provider_network_type="flat",
        provider_physical_network="eth0",
    )
    admin.network.create_subnet(
        network_id=network.id,
        ip_version=4,
        cidr=str(lab),
        gateway_ip=str(lab[1]),
        is_dhcp_enabled=False,
        allocation_pools=[{"start": str(lab[210]), "end": str(lab[211])}],
    )
    yield network
    admin.network.delete_network(network)


def test_nothing_is_left_of_a_removed_project(empty_cloud, owner, outside):
    network = owner.network.create_network(name="own")
    subnet = owner.network.create_subnet(
        network_id=network.id, ip_version=4, cidr="10.88.0.0/24", name="own"
    )
    router = owner.network.create_router(
        name="way", external_gateway_info={"network_id": outside.id}
    )
    owner.network.add_interface_to_router(router, subnet_id=subnet.id)
    flavor = owner.compute.find_flavor("m1.tiny")
    image = owner.image.find_image(blink.NAME)
    server = owner.compute.create_server(
        name="web", flavor_id=flavor.id, image_id=image.id, networks=[{"uuid": network.id}]
    )
    owner.compute.wait_for_server(server, wait=120)
    volume = owner.block_storage.create_volume(size=1, name="data")
    owner.block_storage.wait_for_status(volume, "available", wait=60)
    owner.compute.create_volume_attachment(server, volume_id=volume.id)
    owner.block_storage.wait_for_status(volume, "in-use", wait=60)
    [port] = owner.network.ports(device_id=server.id)
    owner.network.create_ip(floating_network_id=outside.id, port_id=port.id)
    admin: Any = empty_cloud.portal.connection("cloudportal-admin")
    project = owner.current_project_id
    url = f"/projects/{project}/cloudportal:contents"

    shown = admin.identity.get(url).json()["contents"]
    begun = admin.identity.post(url, json={})

    kinds = {each["kind"]: each["count"] for each in shown["owned"]}
    assert (kinds["servers"], kinds["volumes"], kinds["floating_ips"]) == (1, 1, 1)
    assert (shown["in_the_way"], begun.status_code) == ([], 202)
    eventually(
        lambda: admin.identity.get(url).status_code == 404,
        within_s=120,
        what="the project is gone",
    )
    eventually(
        lambda: hosts.ask(empty_cloud, LEFT.format(project=project)) == [],
        within_s=30,
        what="the hosts have let the address go",
    )
    empty_cloud.slate.assert_clean()

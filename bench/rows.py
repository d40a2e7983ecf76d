"""Many servers in the database, as they would be there; runs inside the portal's environment."""

from __future__ import annotations

import ipaddress
import json
import uuid
from datetime import timedelta

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bench.cloud import MICROVERSION
from flavors.models import Flavor
from hypervisors.models import Hypervisor
from identity.models import Project, User
from images.models import Image
from networks.models import FixedIP, Network, Port, PortStatus, SecurityGroup, Subnet
from servers.models import Server, ServerFault
from servers.states import PowerState, VmState

NETWORK = "many"
CIDR = ipaddress.ip_network("10.200.0.0/14")
# One server in twenty has failed.
FAILED_EVERY = 20
CHUNK = 10_000


def grow_to(total: int, token: str) -> None:
    """Have so many servers of demo; print how many queries their list takes, as JSON."""
    project, user = Project.objects.get(name="demo"), User.objects.get(name="demo")
    before = Server.objects.alive().filter(project_id=project.pk).count()
    for start in range(before, total, CHUNK):
        _add(range(start, min(start + CHUNK, total)), project, user)
    if connection.vendor == "postgresql":
        # What its own housekeeping would do soon after.
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    print(json.dumps(_queries(token)))


def _add(numbers: range, project: Project, user: User) -> None:
    flavor, image = Flavor.objects.get(name="m1.tiny"), Image.objects.get(name="tiny")
    host, now = Hypervisor.objects.get(), timezone.now()
    servers = [
        Server(
            id=uuid.uuid4(),
            name=f"many-{number}",
            hostname=f"many-{number}",
            project_id=project.pk,
            user_id=user.pk,
            vm_state=VmState.ACTIVE if number % FAILED_EVERY else VmState.ERROR,
            power_state=PowerState.RUNNING if number % FAILED_EVERY else PowerState.NOSTATE,
            flavor=flavor.snapshot(),
            image_id=image.pk,
            image_properties=dict(image.properties),
            metadata={"number": str(number)},
            tags=["bench"],
            hypervisor=host if number % FAILED_EVERY else None,
            availability_zone="nova",
            reservation_id=f"r-{number:08d}",
            created_at=now + timedelta(milliseconds=number),
            updated_at=now,
            launched_at=now,
        )
        for number in numbers
    ]
    Server.objects.bulk_create(servers)
    ServerFault.objects.bulk_create(
        ServerFault(server=each, message="No valid host was found.", created_at=now)
        for each in servers
        if each.vm_state == VmState.ERROR
    )
    _add_ports(servers, numbers, project)


def _add_ports(servers: list[Server], numbers: range, project: Project) -> None:
    network, _ = Network.objects.get_or_create(name=NETWORK, defaults={"project_id": project.pk})
    subnet, _ = Subnet.objects.get_or_create(
        network=network,
        defaults={"cidr": str(CIDR), "gateway_ip": str(CIDR[1]), "project_id": project.pk},
    )
    group = SecurityGroup.objects.get(project_id=project.pk, name="default")
    ports = [
        Port(
            network=network,
            project_id=project.pk,
            mac_address="fa:16:3e:{:02x}:{:02x}:{:02x}".format(*number.to_bytes(3, "big")),
            device_id=str(server.pk),
            device_owner="compute:nova",
            made_for_server=True,
            status=PortStatus.ACTIVE,
        )
        for number, server in zip(numbers, servers, strict=True)
    ]
    Port.objects.bulk_create(ports)
    FixedIP.objects.bulk_create(
        FixedIP(port=port, subnet=subnet, address=str(CIDR[10 + number]))
        for number, port in zip(numbers, ports, strict=True)
    )
    through = Port.security_groups.through
    through.objects.bulk_create(
        through(port_id=port.pk, securitygroup_id=group.pk) for port in ports
    )


def _queries(token: str) -> int:
    client = Client(headers={"host": "127.0.0.1"})
    version = {"OpenStack-API-Version": f"compute {MICROVERSION}"}
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(
            "/compute/v2.1/servers/detail?limit=1000", headers={"X-Auth-Token": token, **version}
        )
    assert answer.status_code == 200, answer.content
    return len(queries)

"""A look at a host costs as many queries and calls for many servers as for few."""

from __future__ import annotations

import dataclasses
import time
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hypervisors.libvirt.network import DhcpHost
from hypervisors.pools import POOL
from integrity.models import Finding
from integrity.sweep import look_at_books, look_at_host
from networks.models import FixedIP, Port
from networks.wiring import libvirt_network_name, port_filter
from quotas.models import Reservation
from scheduling.models import Allocation
from scheduling.place import recount
from servers.models import Server
from tests.hypervisors.fake_host import FakeGuest
from tests.hypervisors.fake_pools import FakeVolume

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 1000
# Of one processor, on a slow machine.
MOST_CPU_S = 30.0


def multiply(world, count):
    """Copies of the server, its port and all it has on its host; in bulk, as they are only read."""
    model, port = world.server, Port.objects.get()
    address = port.fixed_ips.get()
    network = world.host.networks[libvirt_network_name(port.network_id)]
    guest = world.host.guests[model.pk]
    volumes = world.host.pools[POOL.name].volumes
    [base] = [each.backing for each in volumes.values() if each.backing]
    held = list(Reservation.objects.filter(subject__in=[model.pk, port.pk]))
    servers, ports, addresses, reservations = [], [], [], []
    for number in range(count):
        key = uuid.uuid4()
        servers.append(clone(model, id=key, record_digest="", recorded_at=None))
        mac = f"fa:16:3e:01:{number // 256:02x}:{number % 256:02x}"
        own = clone(port, id=uuid.uuid4(), name="copy", device_id=str(key), mac_address=mac)
        ports.append(own)
        ip = f"10.21.{1 + number // 200}.{number % 200 + 1}"
        addresses.append(FixedIP(port=own, subnet_id=address.subnet_id, address=ip))
        reservations += [
            Reservation(
                project_id=each.project_id, resource=each.resource, amount=each.amount,
                subject=key if each.subject == model.pk else own.pk,
            )
            for each in held
        ]  # fmt: skip
        network.entries.append(DhcpHost(mac, ip, None))
        for name in [name for name in volumes if name.startswith(str(model.pk))]:
            copy = name.replace(str(model.pk), str(key))
            volumes[copy] = FakeVolume(copy, "qcow2", 1, backing=base)
        card = dataclasses.replace(
            guest.spec.interfaces[0], port_id=str(own.pk), mac=mac,
            filter_name=f"cp-port-{own.pk}",
        )  # fmt: skip
        world.host.guests[key] = FakeGuest(
            dataclasses.replace(
                guest.spec,
                uuid=key,
                name=f"server-{key}",
                metadata=dataclasses.replace(guest.spec.metadata, server_id=str(key)),
                interfaces=(card,),
                disks=tuple(
                    dataclasses.replace(disk, volume=disk.volume.replace(str(model.pk), str(key)))
                    for disk in guest.spec.disks
                ),
                console_log_path=f"{POOL.path}/{key}_console.log",
            ),
            power_state="running",
        )
    Server.objects.bulk_create(servers)
    Port.objects.bulk_create(ports)
    FixedIP.objects.bulk_create(addresses)
    Reservation.objects.bulk_create(reservations)
    Allocation.objects.bulk_create(
        clone(Allocation.objects.get(server_id=model.pk), id=None, server_id=each.pk)
        for each in servers
    )
    recount(hypervisor_id=world.hypervisor.pk)
    for own in Port.objects.filter(pk__in=[each.pk for each in ports]).prefetch_related(
        "fixed_ips"
    ):
        world.host.filters[str(own.pk)] = port_filter(own)


def clone(row, **fields):
    values = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
    return type(row)(**{**values, **fields})


def counted(look):
    with CaptureQueriesContext(connection) as queries:
        look()
    return len(queries)


def test_a_thousand_servers_on_a_host_cost_no_more_queries_than_one(world):
    def look():
        look_at_host(world.hypervisor, refresh=False)

    world.look()
    few, few_books = counted(look), counted(look_at_books)
    multiply(world, MANY)
    world.host.calls.clear()
    began = time.process_time()

    many, many_books = counted(look), counted(look_at_books)

    took_s = time.process_time() - began
    assert not list(Finding.objects.open().values_list("summary", flat=True)[:3])
    assert many <= few + 5
    assert many_books <= few_books
    assert world.host.calls == ["survey"]
    assert took_s < MOST_CPU_S

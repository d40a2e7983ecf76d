"""A real host: CLOUDPORTAL_TEST_URI or the local libvirtd, and things of the tests' own on it."""

import random
from uuid import uuid4

import pytest

from hypervisors.libvirt import console, filters, guest, host, network, pools, storage, transfer
from hypervisors.libvirt.connection import open_connection
from hypervisors.libvirt.spec import DiskSpec, GuestSpec, InterfaceSpec
from tests.hypervisors.libvirt import specs
from tests.hypervisors.libvirt.machine import BOOT_SECTOR, MIB, URI


@pytest.fixture(scope="module")
def connection():
    opened = open_connection(URI)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def pool(connection):
    """A pool of its own, in a directory guests may read; gone afterwards with all in it."""
    name = f"cp-test-{uuid4().hex[:8]}"
    path = f"/var/lib/libvirt/{name}"
    pools.ensure_pool(connection, pools.DirPoolSpec(name, path))
    yield name
    for volume in storage.list_volumes(connection, name):
        storage.delete_volume(connection, name, volume.name)
    storage.remove_pool(connection, name, delete_directory=True)


@pytest.fixture(scope="module")
def net(connection):
    """A NAT network on a subnet of its own."""
    octet = random.randint(1, 250)
    spec = network.NatNetworkSpec(
        name=f"cp-test-{uuid4().hex[:8]}",
        bridge=f"cpt{uuid4().hex[:8]}",
        uuid=uuid4(),
        cidr=f"10.217.{octet}.0/24",
        gateway=f"10.217.{octet}.1",
    )
    network.ensure_network(connection, spec)
    yield spec
    network.remove_network(connection, spec.name)


@pytest.fixture
def server(connection, pool, net):
    """The specification of a guest that prints one letter; gone afterwards."""
    uuid, port = uuid4(), str(uuid4())
    address = net.gateway.removesuffix(".1") + ".9"
    root = f"{uuid}_root"
    transfer.put_content(connection, pool, root, BOOT_SECTOR.ljust(10 * MIB, b"\0"))
    filters.ensure_filter(connection, filters.FilterSpec(port, specs.MAC, (address,)))
    found = host.inventory(connection)
    yield GuestSpec(
        uuid=uuid,
        name=f"cp-test-{uuid}",
        title="a test & more",
        vcpus=1,
        ram_mib=32,
        machine=found.machines["q35"],
        metadata=specs.metadata(uuid),
        domain_type=found.domain_types[-1],
        disks=(DiskSpec(pool, root, "root", format="raw", boot_order=1),),
        interfaces=(
            InterfaceSpec(port, specs.MAC, net.name, filter_name=filters.filter_name(port)),
        ),
        console_log_path=console.prepare_console_log(connection, pool, uuid),
    )
    guest.remove_guest(connection, uuid)
    filters.remove_filter(connection, port)
    console.remove_console_log(connection, pool, uuid)
    storage.delete_volume(connection, pool, root)

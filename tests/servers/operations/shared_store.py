"""A file server's export that two fake hosts have mounted."""

from __future__ import annotations

from hypervisors.add_pool import NewPool, add_pool
from tests.hypervisors.fake_host import FakeHosts, make_hypervisor
from tests.hypervisors.fake_pools import FakePool

SOURCE = "nas:/export"
PATH = "/var/lib/libvirt/cloudportal-pools/fast"


def shared_store(hosts: FakeHosts) -> FakePool:
    """The files, as both hosts see them in their pool `fast`."""
    found = FakePool(PATH, type="netfs", source=SOURCE)
    for name in ("host1", "host2"):
        host = make_hypervisor(hosts, name)
        hosts[name].pools["fast"] = found
        add_pool(hypervisor=host, wanted=NewPool("fast", type="netfs", source=SOURCE))
    return found

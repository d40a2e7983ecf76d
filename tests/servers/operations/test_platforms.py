"""What the guests of new servers are made as, where hosts are unequal."""

from __future__ import annotations

import pytest

from hypervisors.models import Aggregate
from hypervisors.platforms import CPU_MODEL, MACHINE_TYPE
from servers.states import VmState
from tests.hypervisors.fake_host import make_hypervisor

pytestmark = pytest.mark.django_db(transaction=True)


def unequal_hosts(hosts):
    """One with more memory, which is asked first, and an older one."""
    made = []
    for name, newest, ram_mib in (("host1", 2, 32768), ("host2", 1, 8192)):
        host = make_hypervisor(hosts, name, ram_mib=ram_mib)
        versions = {f"pc-q35-7.{number}": f"pc-q35-7.{number}" for number in range(newest + 1)}
        host.capabilities["machines"] = {**versions, "q35": f"pc-q35-7.{newest}"}
        host.save()
        made.append(host)
    return made


def built(hosts, create, work):
    """The server and what its guest is."""
    server = create()
    work(server.pk)
    server.refresh_from_db()
    assert server.vm_state == VmState.ACTIVE, server.faults.first()
    return server, hosts[server.hypervisor.name].guests[server.pk].spec


def test_a_guest_is_made_as_every_host_of_its_zone_can_run_it(hosts, create, work):
    new, _ = unequal_hosts(hosts)

    server, spec = built(hosts, create, work)

    assert server.hypervisor == new
    assert spec.machine == "pc-q35-7.1"


def test_a_guest_is_made_as_its_hosts_group_says(hosts, create, work):
    new, _ = unequal_hosts(hosts)
    says = {CPU_MODEL: "Nehalem", MACHINE_TYPE: "pc-q35-7.2"}
    Aggregate.objects.create(name="new ones", metadata=says).hypervisors.add(new)

    _, spec = built(hosts, create, work)

    assert (spec.cpu_model, spec.machine) == ("Nehalem", "pc-q35-7.2")


def test_a_host_that_cannot_do_what_its_group_says_leaves_the_server_to_another(
    hosts, create, work
):
    new, old = unequal_hosts(hosts)
    group = Aggregate.objects.create(name="new ones", metadata={CPU_MODEL: "EPYC"})
    group.hypervisors.add(new)

    server, spec = built(hosts, create, work)

    assert server.hypervisor == old
    assert (spec.cpu_model, spec.machine) == ("qemu64", "pc-q35-7.1")

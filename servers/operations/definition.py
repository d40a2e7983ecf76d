"""Give a guest a definition on its host, as the machine that it is."""

from __future__ import annotations

from collections.abc import Sequence

from hypervisors import agents, guests
from hypervisors.guests import DiskSpec, as_made
from hypervisors.models import Hypervisor
from hypervisors.platforms import wish_within_reach
from networks import wiring
from servers.guest_spec import guest_spec, server_disks
from servers.models import Server


def define_with(server: Server, host: Hypervisor, disks: Sequence[DiskSpec]) -> None:
    """Define the guest with these disks; one that runs has them when it next starts."""
    wired = wiring.wire_ports(hypervisor=host, server_id=server.pk)
    wish = wish_within_reach(host)
    spec = guest_spec(server, host, disks=disks, wired=wired, wish=wish)
    made = agents.guest_made_as(host, server.pk)
    guests.define_guest(host, as_made(spec, host, machine=made.machine, cpu_model=made.cpu_model))


def define_own(server: Server, host: Hypervisor) -> None:
    """Define the guest as the database has its server, with the server's own disks."""
    define_with(server, host, server_disks(server, host))

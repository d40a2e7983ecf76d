"""Give a guest a definition on its host, as the machine that it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from hypervisors import agents, guests
from hypervisors.guests import DiskSpec
from hypervisors.models import Hypervisor
from networks import wiring
from servers.guest_spec import guest_spec, server_disks
from servers.models import Server


def define_with(server: Server, host: Hypervisor, disks: Sequence[DiskSpec]) -> None:
    """Define the guest with these disks; one that runs has them when it next starts."""
    wired = wiring.wire_ports(hypervisor=host, server_id=server.pk)
    spec = guest_spec(server, host, disks=disks, wired=wired)
    machine = agents.guest_machine(host, server.pk)
    if machine.rpartition("-")[0] == spec.machine.rpartition("-")[0]:
        # The version it was made with: a newer one would be new hardware to the guest.
        spec = dataclasses.replace(spec, machine=machine)
    guests.define_guest(host, spec)


def define_own(server: Server, host: Hypervisor) -> None:
    """Define the guest as the database has its server, with the server's own disks."""
    define_with(server, host, server_disks(server, host))

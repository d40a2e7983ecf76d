"""Repairs of domains and of what they keep of their servers."""

from __future__ import annotations

import dataclasses

from hypervisors import agents, disks, guests
from hypervisors.connections import connected
from hypervisors.guests import GuestSpec
from hypervisors.look import look_at_host
from hypervisors.models import Hypervisor
from hypervisors.platforms import wish_within_reach
from hypervisors.survey import write_metadata
from integrity.errors import CopyNeeded
from integrity.facts import disks_of, places_on
from integrity.repairs.volumes import remake_missing
from integrity.repairs.work import Work
from networks import wiring
from servers.guest_record import disk_records, guest_records
from servers.guest_spec import guest_spec
from servers.models import Server
from servers.power_sync import note_power_states
from servers.restore import restore_server
from servers.states import VmState


def restore(work: Work) -> None:
    """Define a server's guest again, with all that is around it, and start it if it is to run."""
    server = work.server()
    pool = work.args["pool"]
    remake_missing(work.host, server, pool)
    wired = wiring.wire_ports(hypervisor=work.host, server_id=server.pk)
    spec = guest_spec(
        server,
        work.host,
        disks=disks_of(server, places_on(work.host, pool)),
        wired=wired,
        wish=wish_within_reach(work.host),
    )
    guests.define_guest(work.host, spec)
    wiring.lease_addresses(
        hypervisor=work.host, leases=wiring.leases_of(server.pk), hostname=server.hostname
    )
    if server.vm_state == VmState.ACTIVE:
        guests.start_guest(work.host, server.pk)
    follow(work)


def define(work: Work) -> None:
    """Give a guest its definition; one that runs is not interrupted."""
    server = work.server()
    spec = _spec(work.host, server)
    machine = work.args.get("machine", "")
    model = agents.guest_made_as(work.host, server.pk).cpu_model
    guests.define_guest(
        work.host, guests.as_made(spec, work.host, machine=machine, cpu_model=model)
    )


def _spec(host: Hypervisor, server: Server) -> GuestSpec:
    wired = [wiring.wired_port(port) for port in wiring.ports_with_addresses(server.pk)]
    return guest_spec(
        server,
        host,
        disks=disks_of(server, places_on(host, _pool(host, server))),
        wired=wired,
        wish=wish_within_reach(host),
    )


def _pool(host: Hypervisor, server: Server) -> str:
    pools = list(host.pools.order_by("-is_default", "name"))
    found = {pool.name: disks.volumes_of(host, pool.name, server.pk) for pool in pools}
    root = f"{server.pk}-root"
    with_root = next((name for name, volumes in found.items() if root in volumes), None)
    with_any = next((name for name, volumes in found.items() if volumes), None)
    return str(with_root or with_any or host.pools.get(is_default=True).name)


def keep_record(work: Work) -> None:
    """Write what a guest keeps of its server anew."""
    server = work.server()
    record = guest_records([server])[server.pk]
    kept = disk_records(server, disks_of(server, places_on(work.host, work.args["pool"])))
    write_metadata(work.host, server.pk, dataclasses.replace(record, disks=kept))


def remove(work: Work) -> None:
    """Switch a guest that nobody wants off and forget it; its volumes are findings of their own.

    Raises:
        CopyNeeded: a server of that id came to this host meanwhile.
    """
    if work.server_id is None:
        return
    if Server.objects.alive().filter(pk=work.server_id, hypervisor=work.host).exists():
        raise CopyNeeded("The server is on this host.")
    guests.remove_guest(work.host, work.server_id)


def remove_copy(work: Work) -> None:
    """Remove a guest whose server runs on another host; asks that host first.

    Raises:
        CopyNeeded: the other host does not run it.
    """
    server = work.server()
    own = None if server.hypervisor is None else guests.guest_info(server.hypervisor, server.pk)
    if own is None or own.power_state != "running":
        raise CopyNeeded(f"The host of server {server.name} does not run it.")
    remove(work)


def take_in(work: Work) -> None:
    """Have the server of a guest in the database.

    Raises:
        RecordUnusable: its domain keeps too little of it, or what another one should keep.
    """
    if work.server_id is None:
        return
    with connected(work.host) as host:
        info = host.guest_info(work.server_id)
        metadata = host.read_metadata(work.server_id)
    restore_server(hypervisor=work.host, metadata=metadata, info=info, now=work.now)


def follow(work: Work) -> None:
    """Look at the host and let its servers' power states follow."""
    note_power_states(look_at_host(work.host, work.now))

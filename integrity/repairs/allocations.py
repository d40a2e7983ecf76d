"""Repairs of what servers hold of hosts."""

from __future__ import annotations

from uuid import UUID

from hypervisors import capacity, guests
from hypervisors.models import Hypervisor
from hypervisors.numa import NumaPlacement
from hypervisors.read_back import read_record
from integrity.repairs.work import Work
from operations.models import UNFINISHED, Operation
from scheduling.place import hold_server, recount, release_server
from scheduling.request_spec import RequestSpec
from servers.errors import RecordUnusable
from servers.guest_record import placement_in
from servers.models import Server


def recount_host(work: Work) -> None:
    """Set a host's counters to the sum of its allocations."""
    recount(hypervisor_id=work.host.pk)


def release(work: Work) -> None:
    """Give back what a server does not use."""
    release_server(server_id=UUID(work.args["server"]), hypervisor_id=work.host.pk)


def make(work: Work) -> None:
    """Count what a server uses."""
    server = work.server()
    hold_server(
        server_id=server.pk,
        hypervisor_id=work.host.pk,
        spec=RequestSpec.from_json(server.request_spec),
        now=work.now,
        numa=_cells(work.host, server),
        pci=_devices(work.host, server),
    )


def _cells(host: Hypervisor, server: Server) -> NumaPlacement | None:
    """Those that its guest is defined for; without a word of it they are chosen anew."""
    if not server.request_spec.get("numa"):
        return None
    record = read_record(host, server.pk)
    try:
        found = placement_in(record) if record else None
    except RecordUnusable:
        return None
    if found is None or found.request.to_json() != server.request_spec["numa"]:
        return None
    return found


def _devices(host: Hypervisor, server: Server) -> tuple[str, ...]:
    """Those that its guest is defined with; without a word of them others are chosen."""
    if not server.request_spec.get("pci"):
        return ()
    record = read_record(host, server.pk)
    return record.pci if record else ()


def free_slot(work: Work) -> None:
    """Free a build slot whose operation ended."""
    operation = UUID(work.args["operation"])
    if not Operation.objects.filter(pk=operation, state__in=UNFINISHED).exists():
        capacity.free_build_slot(operation_id=operation)


def settle_host(work: Work) -> None:
    """Let a server be where its domain is; where neither host has it, where it is said to be.

    Raises:
        HostUnreachable: one of the two cannot be asked.
    """
    server = work.server()
    other = Hypervisor.objects.filter(pk=work.args["held_on"]).first()
    here = guests.guest_info(work.host, server.pk)
    if here is None and other is not None and guests.guest_info(other, server.pk) is not None:
        Server.objects.filter(hypervisor=work.host).change(
            server.pk, hypervisor=other, updated_at=work.now
        )
        return
    make(work)
    release_server(server_id=server.pk, hypervisor_id=work.args["held_on"])

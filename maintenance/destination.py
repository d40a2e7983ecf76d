"""Where a server of a plan can go: the scheduler is asked, and nothing is claimed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from uuid import UUID

from hypervisors.models import Hypervisor
from hypervisors.move import hosts_unfit
from maintenance.states import Way
from scheduling.cells import fit_cells
from scheduling.choose import Choice, choose_hosts
from scheduling.devices import fit_devices
from scheduling.groups import with_group
from scheduling.models import Allocation
from scheduling.network_needs import with_networks
from scheduling.request_spec import Booking, RequestSpec
from servers.destination import spec_of_move
from servers.models import Server


@dataclass
class Bookings:
    """What a plan is to bring to each host (by its key), and members of which server group."""

    rooms: dict[int, Booking] = field(default_factory=dict)
    members: dict[UUID, Counter[int]] = field(default_factory=dict)

    def add(self, server: Server, spec: RequestSpec, source: int, destination: int) -> None:
        """The server is to go there."""
        room = self.rooms.get(destination, Booking())
        self.rooms[destination] = Booking(
            vcpus=room.vcpus + spec.vcpus,
            ram_mib=room.ram_mib + spec.ram_mib,
            disk_gib=room.disk_gib + spec.disk_gib,
            numa=(*room.numa, *(fit_cells(destination, spec) or ())),
            pci=(*room.pci, *(fit_devices(destination, spec) or ())),
        )
        if server.group_id is not None:
            moved = self.members.setdefault(server.group_id, Counter())
            moved[destination] += 1
            moved[source] -= 1

    def apply(self, server: Server, spec: RequestSpec) -> RequestSpec:
        """The request as it will have to be met once all of this has come about."""
        group = spec.group
        moved = self.members.get(server.group_id) if server.group_id else None
        if group is not None and moved:
            hosts = Counter(group.hosts)
            hosts.update(moved)
            there = {key: count for key, count in hosts.items() if count > 0}
            group = replace(group, hosts=there)
        return replace(spec, group=group, booked=dict(self.rooms))


def destinations(
    server: Server,
    source: Hypervisor,
    way: Way,
    *,
    without: Collection[str] = (),
    booked: Bookings | None = None,
) -> tuple[RequestSpec, Choice]:
    """The hosts that can have the server, best first, and the request that they were asked with."""
    spec = with_networks(with_group(spec_of_move(server), server.pk, lock=False), server.pk)
    if booked is not None:
        spec = booked.apply(server, spec)
    # What an earlier stay left there is taken off first.
    held = Allocation.objects.filter(server_id=server.pk).exclude(hypervisor=source)
    names = {source.name, *without, *held.values_list("hypervisor__name", flat=True)}
    if way == Way.LIVE:
        names.update(hosts_unfit(source))
    return spec, choose_hosts(spec, without=sorted(names))


def refusal(choice: Choice, refused: dict[str, str]) -> str:
    """Why no host can have it: what hosts said themselves, and what the filters did."""
    said = " ".join(f"{name}: {why}" for name, why in sorted(refused.items()))
    return f"{choice.refusal()} {said}".strip()

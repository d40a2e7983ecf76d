"""How guests move between fake hosts."""

import dataclasses
from collections.abc import Callable
from typing import Any
from uuid import UUID

import libvirt

from hypervisors.libvirt.errors import Busy, DriverError, HostUnreachable, NotThere
from hypervisors.libvirt.migrate import DiskSeen, MovableGuest, MoveProgress, MoveRequest
from hypervisors.libvirt.post_copy import LACKS_PAGE_FAULTS
from hypervisors.libvirt.spec import PowerState
from tests.hypervisors.fake_guests import FakeGuest, FakeGuests
from tests.hypervisors.fake_pools import GIB, counted_call


class FakeMigrations(FakeGuests):
    """What a fake host does with guests that leave it, or come.

    `on_migrate` is called while a guest is on its way. `lacks_cpu`: it can take no guest over, and
    with `lacks_page_faults` none before its memory. `switched`: the guests that were let run at
    their destination. `dead_streams`: those of guests that come here and of whose streams this end
    does not know that the other one is gone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.networks: dict[str, Any] = {}
        self.lacks_cpu = False
        self.lacks_page_faults = False
        self.switched: set[UUID] = set()
        self.dead_streams: set[UUID] = set()
        self.leaving: set[UUID] = set()
        self.aborted: set[UUID] = set()
        self.on_migrate: Callable[[], None] | None = None

    @counted_call
    def movable_guest(self, uuid: UUID) -> MovableGuest:
        spec = self._active(uuid).spec
        disks = []
        for number, disk in enumerate(spec.disks):
            volume = self.pools[disk.pool].volumes.get(disk.volume)
            disks.append(
                DiskSeen(
                    target=f"vd{chr(ord('a') + number)}",
                    pool=disk.pool,
                    volume=disk.volume,
                    path="",
                    format=disk.format,
                    is_readonly=disk.device == "cdrom",
                    capacity_bytes=volume.capacity if volume else 0,
                )
            )
        return MovableGuest(
            spec.arch,
            spec.domain_type,
            spec.machine,
            "<cpu/>",
            tuple(disks),
            has_secure_boot=spec.features.secure_boot,
            tpm=spec.features.tpm,
        )

    @counted_call
    def cpu_obstacle(self, wanted: MovableGuest) -> str:
        return "avx2, erms" if self.lacks_cpu else ""

    @counted_call
    def migrate_guest(
        self, uuid: UUID, destination: "FakeMigrations", request: MoveRequest
    ) -> None:
        power_state = self._active(uuid).power_state
        self.leaving.add(uuid)
        try:
            if self.on_migrate is not None:
                self.on_migrate()
            if uuid in self.aborted:
                raise DriverError("operation aborted: migration out job: canceled by client")
            destination.take_over(uuid, self, request, power_state)
        finally:
            self.leaving.discard(uuid)
            self.aborted.discard(uuid)
        guest = self._guest(uuid)
        guest.power_state, guest.off_reason = "shutdown", "migrated"

    def take_over(
        self, uuid: UUID, source: "FakeMigrations", request: MoveRequest, power_state: PowerState
    ) -> None:
        """Let a guest arrive; its disks and its network are looked for as libvirt does."""
        if self.is_down:
            raise HostUnreachable("No connection to the host within 10 s.")
        spec = source.guests[uuid].spec
        for disk in spec.disks:
            here = self.pools[request.pool].volumes.get(disk.volume)
            if here is None:
                raise NotThere(f"no storage vol with matching name '{disk.volume}'")
            if disk.device != "cdrom":
                here.content = source.pools[disk.pool].volumes[disk.volume].content
        for card in spec.interfaces:
            if card.network not in self.networks:
                raise NotThere(f"network '{card.network}' not found")
        moved = dataclasses.replace(
            spec,
            disks=tuple(dataclasses.replace(disk, pool=request.pool) for disk in spec.disks),
            console_log_path=request.console_log_path,
        )
        self.guests[uuid] = FakeGuest(moved, power_state=power_state)

    @counted_call
    def migration_progress(self, uuid: UUID) -> MoveProgress | None:
        self._guest(uuid)
        if uuid not in self.leaving:
            return None
        return MoveProgress(2 * GIB, GIB, GIB, GIB, GIB // 2, GIB // 2)

    @counted_call
    def abort_migration(self, uuid: UUID) -> None:
        if uuid in self.leaving:
            self.aborted.add(uuid)

    @counted_call
    def hasten_migration(self, uuid: UUID) -> None:
        if uuid in self.leaving:
            self._active(uuid).power_state = "paused"

    @counted_call
    def post_copy_obstacle(self) -> str:
        return LACKS_PAGE_FAULTS if self.lacks_page_faults else ""

    @counted_call
    def start_post_copy(self, uuid: UUID) -> None:
        if uuid in self.leaving:
            self.switched.add(uuid)

    @counted_call
    def resume_post_copy(
        self, uuid: UUID, destination: "FakeMigrations", request: MoveRequest
    ) -> None:
        if uuid in destination.dead_streams:
            raise Busy("Requested operation is not valid: QEMU reports migration is still running")
        destination.complete(uuid)
        guest = self._guest(uuid)
        guest.power_state, guest.reason = "shutdown", libvirt.VIR_DOMAIN_SHUTOFF_MIGRATED

    def complete(self, uuid: UUID) -> None:
        """Let the last of a guest's memory arrive."""
        guest = self._guest(uuid)
        guest.power_state, guest.reason = "running", libvirt.VIR_DOMAIN_RUNNING_MIGRATED

    @counted_call
    def end_dead_stream(self, uuid: UUID) -> bool:
        was_there = uuid in self.dead_streams
        self.dead_streams.discard(uuid)
        return was_there

    @counted_call
    def has_stream(self, uuid: UUID) -> bool:
        return False

"""What the portal does on hosts to move running guests: a part of `host.Host`."""

# ruff: noqa: D102 - the protocol says what each method is for

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from hypervisors.libvirt import migrate, post_copy
from hypervisors.libvirt.connection import Connection
from hypervisors.libvirt.migrate import MovableGuest, MoveProgress, MoveRequest


class MigratingHost(Protocol):
    """A host whose guests may move on, and that takes others'."""

    def movable_guest(self, uuid: UUID) -> MovableGuest:
        """What another host must offer for a guest that runs here."""

    def cpu_obstacle(self, wanted: MovableGuest) -> str:
        """What this one's CPU lacks for a guest of another host to run on; "" is nothing."""

    def migrate_guest(self, uuid: UUID, destination: MigratingHost, request: MoveRequest) -> None:
        """Move a guest that runs here, and return when it runs there."""

    def migration_progress(self, uuid: UUID) -> MoveProgress | None:
        """How far the guest's migration from here is; None: there is none."""

    def abort_migration(self, uuid: UUID) -> None:
        """End the guest's migration, if any; it runs on here."""

    def hasten_migration(self, uuid: UUID) -> None:
        """Halt the guest until it has arrived."""

    def post_copy_obstacle(self) -> str:
        """Why no guest can come here before all of its memory; "" is nothing that is known."""

    def start_post_copy(self, uuid: UUID) -> None:
        """Let the guest that leaves run at its destination now."""

    def resume_post_copy(
        self, uuid: UUID, destination: MigratingHost, request: MoveRequest
    ) -> None:
        """Mend the broken stream of a guest that was switched, and return when it is all there."""

    def has_stream(self, uuid: UUID) -> bool:
        """Whether the guest's memory has a connection to go by."""

    def end_dead_stream(self, uuid: UUID) -> bool:
        """End what a guest that is coming here still has of a broken stream."""


class LibvirtMigratingHost:
    """Each method is the driver's function of that name."""

    connection: Connection

    def movable_guest(self, uuid: UUID) -> MovableGuest:
        return migrate.movable_guest(self.connection, uuid)

    def cpu_obstacle(self, wanted: MovableGuest) -> str:
        return migrate.cpu_obstacle(self.connection, wanted)

    def migrate_guest(self, uuid: UUID, destination: MigratingHost, request: MoveRequest) -> None:
        if not isinstance(destination, LibvirtMigratingHost):
            raise TypeError("Guests move between hosts of one kind.")
        migrate.migrate_guest(self.connection, destination.connection, uuid, request)

    def migration_progress(self, uuid: UUID) -> MoveProgress | None:
        return migrate.migration_progress(self.connection, uuid)

    def abort_migration(self, uuid: UUID) -> None:
        migrate.abort_migration(self.connection, uuid)

    def hasten_migration(self, uuid: UUID) -> None:
        migrate.hasten_migration(self.connection, uuid)

    def post_copy_obstacle(self) -> str:
        return post_copy.post_copy_obstacle(self.connection)

    def start_post_copy(self, uuid: UUID) -> None:
        post_copy.start_post_copy(self.connection, uuid)

    def resume_post_copy(
        self, uuid: UUID, destination: MigratingHost, request: MoveRequest
    ) -> None:
        if not isinstance(destination, LibvirtMigratingHost):
            raise TypeError("Guests move between hosts of one kind.")
        post_copy.resume_post_copy(self.connection, destination.connection, uuid, request)

    def end_dead_stream(self, uuid: UUID) -> bool:
        return post_copy.end_dead_stream(self.connection, uuid)

    def has_stream(self, uuid: UUID) -> bool:
        return post_copy.has_stream(self.connection, uuid)

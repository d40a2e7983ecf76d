"""What can be wrong with a request about a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudportal.errors import CloudError, Conflict, Forbidden, Invalid, NotFound, OverQuota

if TYPE_CHECKING:
    from uuid import UUID

    from servers.legal import Rule
    from servers.models import Server


class ServerNotFound(NotFound):
    """No such server, or not one the caller may know of."""


class ConsoleTokenRefused(NotFound):
    """Nobody may open a console with this token (any more)."""


class KeyPairNotFound(NotFound):
    """The user has no key pair of that name."""


class KeyPairExists(Conflict):
    """The user has a key pair of that name already."""


class InvalidKeyPair(Invalid):
    """A key pair cannot be as asked: its name or its key."""


class ServerGroupNotFound(NotFound):
    """No such server group, or not one the caller may know of."""


class InvalidGroupRules(Invalid):
    """The group's policy takes no such rules."""


class TooManyMembers(OverQuota):
    """The group has as many servers of the user as the project's limit allows."""


class InvalidServerRequest(Invalid):
    """A server cannot be made or changed as asked."""


class InvalidState(Conflict):
    """The server's state does not allow the action now."""

    @classmethod
    def of(cls, server: Server, rule: Rule) -> InvalidState:
        """Say which attribute stands in the way: vm_state, then task_state, then launched_at."""
        found = rule.obstacle(server)
        if found is None:
            # What stood in the way a moment ago is over; asked again it may go well.
            return cls(f"Instance {server.pk} is in an invalid state for '{rule.action}'")
        attribute, value = found
        return cls(
            f"Cannot '{rule.action}' instance {server.pk} while it is in {attribute} {value}"
        )


class ServerAdopted(Conflict):
    """The server was adopted: its disks and cards are none of the portal's."""

    @classmethod
    def of(cls, server: Server, rule: Rule) -> ServerAdopted:
        """Say what is refused, and the way out where its end was asked for."""
        advice = ": release it instead" if rule.action == "delete" else ""
        return cls(
            f"Cannot '{rule.action}' instance {server.pk}: its guest was adopted, not made by this "
            f"cloud{advice}"
        )


class CannotAdopt(Conflict):
    """The domain cannot become a server as it is now, or is one already."""


class CannotResize(Invalid):
    """The server cannot become what the flavor says: its disks would shrink, say."""


class ServerLocked(Conflict):
    """Somebody locked the server, and only administrators get past that."""

    @classmethod
    def of(cls, server: Server) -> ServerLocked:
        """In the wire's words."""
        return cls(f"Instance {server.pk} is locked")


class TooManyItems(OverQuota):
    """More metadata or files than the project's limit for one server."""


class PasswordNotSet(Conflict):
    """The guest's password cannot be changed: it has no agent, or none that answers."""


class LabelNotFound(NotFound):
    """The server has no such metadata key or tag."""


class ZeroDiskFlavor(Forbidden):
    """A flavor without a disk size, for a caller who may not use one."""


class ServerWasDeleted(Conflict):
    """The database has this server as a deleted one."""


class GuestElsewhere(Conflict):
    """The database has this server, but not on this host."""


class RecordUnusable(Invalid):
    """What a guest says of its server cannot be true: it is of another guest, or damaged."""


class InterfaceAttachFailed(CloudError):
    """The server's host did not take the interface; it was given back."""


class MigrationNotFound(NotFound):
    """The server has no such migration, or it is over."""


class InvalidMigrationState(Invalid):
    """The migration is not at a point at which this can be done to it."""


class MigrationAborted(Conflict):
    """Somebody ended the migration; the server stays where it is."""


class HostInUse(Invalid):
    """The server's host is not down, so nothing is taken from it."""


class VolumesAttached(Conflict):
    """The server has volumes, which lie on its host and cannot go with it."""


class TpmStays(Conflict):
    """The server has a TPM, whose content is on its host and would be lost."""

    @classmethod
    def of(cls, operation: str, server_id: UUID) -> TpmStays:
        """In the words of the compute API."""
        return cls(
            f"Operation '{operation}' not supported for vTPM-enabled instance ({server_id})."
        )


class DisksBound(Conflict):
    """The server's disks are block devices of its host, which neither grow nor go elsewhere."""


class DevicesInUse(Conflict):
    """The server has PCI devices of its host, with which this cannot be done."""


class DeviceTaken(Conflict):
    """Another disk of the server has that name."""


class HostAway(Conflict):
    """The server's host does not answer, so nothing can be changed there now."""


class VolumeBacked(Invalid):
    """The server runs from a volume, and what is asked for needs the disk of an image."""


class SecurityGroupNotOnServer(NotFound):
    """No port of the server follows the security group."""

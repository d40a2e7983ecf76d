"""What can be wrong with a request about a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudportal.errors import Conflict, Forbidden, Invalid, NotFound, OverQuota

if TYPE_CHECKING:
    from servers.models import Server
    from servers.states import VmState


class ServerNotFound(NotFound):
    """No such server, or not one the caller may know of."""


class KeyPairNotFound(NotFound):
    """The user has no key pair of that name."""


class KeyPairExists(Conflict):
    """The user has a key pair of that name already."""


class InvalidKeyPair(Invalid):
    """A key pair cannot be as asked: its name or its key."""


class InvalidServerRequest(Invalid):
    """A server cannot be made or changed as asked."""


class InvalidState(Conflict):
    """The server's state does not allow the action now."""

    @classmethod
    def of(cls, server: Server, action: str, expect: set[VmState]) -> InvalidState:
        """Say which attribute stands in the way, vm_state before task_state."""
        if server.vm_state not in expect:
            attribute, value = "vm_state", server.vm_state
        else:
            attribute, value = "task_state", server.task_state or ""
        return cls(f"Cannot '{action}' instance {server.pk} while it is in {attribute} {value}")


class TooManyItems(OverQuota):
    """More metadata or files than the project's limit for one server."""


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

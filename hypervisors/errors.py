"""What can go wrong with a host, in the portal's error kinds.

What the driver reports becomes one of these in `connections.py`, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cloudportal.errors import CloudError, Conflict, Invalid, NoCapacity, NotFound, Unavailable

if TYPE_CHECKING:
    from hypervisors.libvirt.spec import HostCheck


class HypervisorNotFound(NotFound):
    """No such hypervisor."""


class AggregateNotFound(NotFound):
    """No such aggregate."""


class AggregateExists(Conflict):
    """The name is taken by another aggregate."""


class AggregateZoneConflict(Conflict):
    """A host would be in two zones, or its servers in another one than they are."""


class HypervisorExists(Conflict):
    """The name or the URI is taken by another hypervisor."""


class HypervisorInUse(Conflict):
    """Servers are on the hypervisor, or being built there."""


class InvalidHypervisorUri(Invalid):
    """The URI is none the portal connects to, or asks for something unsafe."""


class InvalidPool(Invalid):
    """The storage pool cannot be made or used as it is asked for."""


class InvalidFenceCommand(Invalid):
    """The command cannot be what switches this host off."""


class FenceFailed(Unavailable):
    """The fence command did not succeed, so nothing is proven; it may the next time."""


class HypervisorNotReady(Conflict):
    """The host lacks something without which no server runs there; `checks` say what."""

    def __init__(self, message: str, *, checks: Sequence[HostCheck], detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.checks = list(checks)


class HostUnreachable(Unavailable):
    """The host does not answer, or not in time; what it did meanwhile is open."""


class HostKeyUnknown(HostUnreachable):
    """No administrator has accepted the host's SSH key; `fingerprints` are what it shows.

    Kept among the unreachable: an undo on such a host waits until the key has been accepted.
    """

    def __init__(self, message: str, *, fingerprints: Sequence[str] = (), detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.fingerprints = list(fingerprints)


class HostKeyChanged(HostKeyUnknown):
    """The host shows another SSH key than the accepted one: reinstalled, or somebody else."""


class HostBusy(Unavailable):
    """Another job holds what is needed; the same call may succeed a little later."""


class HostRefused(CloudError):
    """The host failed in a way nobody has a word for; libvirt's code and text are in `detail`."""


class HostCannot(Conflict):
    """The host's libvirt or QEMU is not able to do that."""


class MoveRefused(Invalid):
    """A running guest cannot move to that host; the text says what stands in the way."""


class NotOnHost(NotFound):
    """The volume, pool, network or filter does not exist on the host."""


class GuestNotFound(NotOnHost):
    """The host has no guest for this server."""


class TakenOnHost(Conflict):
    """Something else of that name or address exists on the host."""


class WrongGuestState(Conflict):
    """The guest is not in a state that allows this."""


class GuestKeepsDevice(Unavailable):
    """The guest was asked to let a device go and has not done so yet."""


class GuestPropertyRefused(Invalid):
    """A flavor's extra spec (`is_of_flavor`) or an image's property cannot be honoured."""

    def __init__(self, message: str, *, is_of_flavor: bool = False, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.is_of_flavor = is_of_flavor


class NumaRefused(Invalid):
    """A flavor and an image together ask for nodes, pages or CPUs as no guest can have them."""


class PoolFull(NoCapacity):
    """The storage pool has no room for this."""


class DiskTooSmall(Invalid):
    """The disk asked for is smaller than its image."""


class ImageDamaged(Conflict):
    """What arrived on the host is not the image that was sent."""


class ImageBeingUploaded(Unavailable):
    """Another build is bringing the image to the pool; wait and look again."""

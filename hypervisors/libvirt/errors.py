"""What can go wrong on a host, by what a caller can do about it; libvirt's codes in one table."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import libvirt


class DriverError(Exception):
    """A host refused or failed; the code is libvirt's own, or None where libvirt was not asked.

    An error libvirt reports with a code that is not in the table is this class itself: it stays
    unknown rather than guessed.
    """

    def __init__(self, text: str, *, code: int | None = None) -> None:
        super().__init__(text if code is None else f"{text} (libvirt error {code})")
        self.text = text
        self.code = code


class HostUnreachable(DriverError):
    """The host does not answer, or did not within the deadline; what it did meanwhile is open."""


class Hanging(HostUnreachable):
    """The host takes calls and answers none; this one was not even sent."""


class NotThere(DriverError):
    """The guest, volume, pool, network or filter does not exist on the host."""


class AlreadyThere(DriverError):
    """Something of that name, MAC or address exists on the host and is not the one asked for."""


class Busy(DriverError):
    """Another job holds what is needed; the same call may succeed a little later."""


class WrongState(DriverError):
    """The guest or pool is not in a state that allows this (not running, already running)."""


class PoolFull(DriverError):
    """The storage pool has no room for this."""


class Unsupported(DriverError):
    """This host's libvirt or QEMU cannot do that."""


class TooSmall(DriverError):
    """The disk asked for is smaller than what must fit on it."""


class Corrupted(DriverError):
    """What was read back from the host is not what was sent."""


_KINDS: dict[type[DriverError], tuple[str, ...]] = {
    HostUnreachable: (
        "NO_CONNECT", "INVALID_CONN", "RPC", "SSH", "LIBSSH", "NO_SERVER", "UNKNOWN_HOST",
        "GNUTLS_ERROR", "AUTH_FAILED", "AUTH_CANCELLED", "AUTH_UNAVAILABLE",
    ),
    NotThere: (
        "NO_DOMAIN", "NO_NETWORK", "NO_STORAGE_POOL", "NO_STORAGE_VOL", "NO_NWFILTER",
        "NO_NWFILTER_BINDING", "NO_DOMAIN_METADATA", "NO_DOMAIN_SNAPSHOT", "NO_DOMAIN_CHECKPOINT",
        "NO_NODE_DEVICE", "NO_NETWORK_PORT", "NO_SECRET", "NO_INTERFACE", "DEVICE_MISSING",
    ),
    AlreadyThere: ("DOM_EXIST", "NETWORK_EXIST", "STORAGE_VOL_EXIST", "NETWORK_PORT_EXIST"),
    Busy: (
        "RESOURCE_BUSY", "OPERATION_TIMEOUT", "AGENT_UNRESPONSIVE", "AGENT_UNSYNCED",
        "BLOCK_COPY_ACTIVE",
    ),
    WrongState: ("OPERATION_INVALID",),
    Unsupported: (
        "NO_SUPPORT", "CONFIG_UNSUPPORTED", "ARGUMENT_UNSUPPORTED", "OPERATION_UNSUPPORTED",
        "CPU_INCOMPATIBLE", "OS_TYPE",
    ),
}  # fmt: skip
_KIND_OF_CODE: dict[int, type[DriverError]] = {
    getattr(libvirt, f"VIR_ERR_{name}"): kind for kind, names in _KINDS.items() for name in names
}
# The client side of the connection reports a lost socket under its own origin with a general code.
_TRANSPORT = (libvirt.VIR_FROM_RPC, libvirt.VIR_FROM_REMOTE)
_GENERAL = (libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_ERR_INTERNAL_ERROR)
# libvirt says so with its general code for what failed, when a guest goes off under a call for it.
_WENT_OFF = ("domain is not running", "domain is no longer running")
_NO_SPACE = (
    *("No space left on device", "Disk quota exceeded", "Not enough free space"),
    # lvcreate, by libvirt
    "insufficient free space",
)


def translate(error: libvirt.libvirtError) -> DriverError:
    """The driver's error for one of libvirt's."""
    code = error.get_error_code()
    text = error.get_error_message() or str(error)
    if code is None:
        return DriverError(text)
    kind = _KIND_OF_CODE.get(code, DriverError)
    if code in _GENERAL:
        kind = _kind_of_general(error, text)
    if code == libvirt.VIR_ERR_OPERATION_FAILED and any(words in text for words in _WENT_OFF):
        kind = Busy  # looked at again, it is seen to be off
    return kind(text, code=code)


def _kind_of_general(error: libvirt.libvirtError, text: str) -> type[DriverError]:
    if error.get_error_domain() in _TRANSPORT:
        return HostUnreachable
    # A program's own message is all libvirt has when it is the one that ran out of room.
    full = (errno.ENOSPC, errno.EDQUOT)
    if error.get_int1() in full or any(words in text for words in _NO_SPACE):
        return PoolFull
    return DriverError


@contextmanager
def translated() -> Iterator[None]:
    """Let libvirt's errors out as the driver's."""
    try:
        yield
    except libvirt.libvirtError as error:
        raise translate(error) from error

"""The way to a host: one cached connection a process, and the driver's errors as the portal's."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from cloudportal.errors import CloudError
from hypervisors import errors, ssh
from hypervisors.host import Host, libvirt_host
from hypervisors.libvirt import errors as driver
from hypervisors.libvirt.cache import ConnectionCache
from hypervisors.libvirt.calls import give_up_s, giving_up_after
from hypervisors.libvirt.connection import ssh_uri
from hypervisors.libvirt.properties import InvalidProperty
from hypervisors.models import HostState, Hypervisor
from hypervisors.uris import ssh_address

logger = logging.getLogger(__name__)

# A host that was silent when it was last looked at gets no more than this, for a user waits:
# every process would otherwise bear the whole silence again.
KNOWN_DOWN_S = 5.0

_cache = ConnectionCache()
# What the tenant reads; what the host said goes to the log. The order is from special to general.
_TRANSLATION: list[tuple[type[driver.DriverError], type[CloudError], str]] = [
    (driver.HostUnreachable, errors.HostUnreachable, "The server's host does not answer."),
    (driver.NotThere, errors.NotOnHost, "The host does not have what was asked for."),
    (driver.AlreadyThere, errors.TakenOnHost, "Something of that name exists on the host."),
    (driver.Busy, errors.HostBusy, "The server's host is busy with it."),
    (driver.WrongState, errors.WrongGuestState, "The guest's state does not allow this."),
    (driver.PoolFull, errors.PoolFull, "The host's storage pool is full."),
    (driver.TooSmall, errors.DiskTooSmall, "The disk is too small for its image."),
    (driver.Unsupported, errors.HostCannot, "The server's host is not able to do this."),
    (driver.Corrupted, errors.ImageDamaged, "The image did not arrive whole on the host."),
    (driver.DriverError, errors.HostRefused, "The server's host failed."),
]


def _open_libvirt(hypervisor: Hypervisor) -> Host:
    return libvirt_host(_cache.get(_connect_uri(hypervisor)))


# How a host is opened; tests put their fake here.
open_host: Callable[[Hypervisor], Host] = _open_libvirt


@contextmanager
def connected(hypervisor: Hypervisor) -> Iterator[Host]:
    """The host to work on, connected when it is not yet; nothing is closed at the end.

    Raises:
        HostUnreachable: it does not answer, now or a moment ago.
        CloudError: whatever the work inside met on the host, in the portal's kinds.
    """
    with translated(hypervisor), _patience_with(hypervisor):
        yield open_host(hypervisor)


@contextmanager
def hurried() -> Iterator[None]:
    """Inside, a host that falls silent is given up as soon as that makes it count as down.

    For work that a debt takes over then, and that somebody waits for.
    """
    with giving_up_after(min(give_up_s(), KNOWN_DOWN_S)):
        yield


def _patience_with(hypervisor: Hypervisor) -> AbstractContextManager[None]:
    bears_s = give_up_s()
    if hypervisor.state == HostState.DOWN:
        bears_s = min(bears_s, KNOWN_DOWN_S)
    return giving_up_after(bears_s)


def forget(hypervisor: Hypervisor) -> None:
    """Close the connection, if any: the URI or the accepted key changed."""
    _cache.forget(_connect_uri(hypervisor))
    address = ssh_address(hypervisor.uri)
    if address is not None and not hypervisor.host_keys:
        ssh.forget(address)


@contextmanager
def translated(hypervisor: Hypervisor) -> Iterator[None]:
    """Let the driver's errors out as the portal's."""
    try:
        yield
    except driver.DriverError as error:
        raise _translate(hypervisor, error) from error
    except InvalidProperty as error:
        raise errors.GuestPropertyRefused(str(error)) from error


def _connect_uri(hypervisor: Hypervisor) -> str:
    address = ssh_address(hypervisor.uri)
    if address is None:
        return hypervisor.uri
    return ssh_uri(hypervisor.uri, str(ssh.prepare(address, hypervisor.host_keys)))


def _translate(hypervisor: Hypervisor, error: driver.DriverError) -> CloudError:
    kind, message = next(
        (to, text) for source, to, text in _TRANSLATION if isinstance(error, source)
    )
    detail = f"{hypervisor.name}: {error}"
    # ssh's own words; libvirt hands them on as the reason why the connection failed.
    if "has changed and you have requested strict checking" in error.text:
        logger.critical("The SSH host key of %s is not the accepted one.", hypervisor.name)
        return errors.HostKeyChanged(message, detail=detail)
    if "host key is known for" in error.text and "strict checking" in error.text:
        logger.error("No SSH host key of %s has been accepted.", hypervisor.name)
        return errors.HostKeyUnknown(message, detail=detail)
    return kind(message, detail=detail)

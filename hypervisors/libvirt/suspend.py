"""Guests that stand still: halted in memory, or with their memory on the host's disk.

Every call looks first, so that one made twice means it once.
"""

from typing import Any
from uuid import UUID

from hypervisors.libvirt.connection import on_host
from hypervisors.libvirt.guest import power_state_of, start

_SAVE_S = 900.0  # tens of GiB of memory, to or from a disk


@on_host()
def pause_guest(raw: Any, uuid: UUID) -> None:
    """Halt the guest with its memory in place; one that is halted is left alone.

    Raises:
        NotThere: no such guest.
        WrongState: it is off.
    """
    domain = raw.lookupByUUID(uuid.bytes)
    if power_state_of(domain) != "paused":
        domain.suspend()


@on_host()
def unpause_guest(raw: Any, uuid: UUID) -> None:
    """Let a halted guest run on; one that runs is left alone.

    Raises:
        NotThere: no such guest.
        WrongState: it is off.
    """
    domain = raw.lookupByUUID(uuid.bytes)
    if power_state_of(domain) != "running":
        domain.resume()


@on_host(_SAVE_S)
def suspend_guest(raw: Any, uuid: UUID) -> None:
    """Write the guest's memory to the host's disk and switch it off; done once, it is done.

    Raises:
        NotThere: no such guest.
        WrongState: it is off, and nothing of it is saved.
    """
    domain = raw.lookupByUUID(uuid.bytes)
    if domain.isActive() or not domain.hasManagedSaveImage():
        domain.managedSave()


@on_host(_SAVE_S)
def resume_guest(raw: Any, uuid: UUID, *, may_boot: bool) -> None:
    """Let a suspended guest run on; one that runs is left alone.

    Where nothing of it is saved it boots instead, or with `may_boot` false stays off.

    Raises:
        NotThere: no such guest.
    """
    domain = raw.lookupByUUID(uuid.bytes)
    if may_boot or domain.hasManagedSaveImage():
        start(domain)
    if power_state_of(domain) == "paused":
        domain.resume()


@on_host()
def interrupt_guest(raw: Any, uuid: UUID) -> None:
    """Send the guest a non-maskable interrupt.

    Raises:
        NotThere: no such guest.
        WrongState: it is off.
        Unsupported: its machine has no such interrupt.
    """
    raw.lookupByUUID(uuid.bytes).injectNMI()

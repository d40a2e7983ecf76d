"""What libvirt says by itself: that a guest changed, and that the connection is lost.

It says so in the thread of its event loop, which serves every connection of the process: whoever
listens only notes it down. Nothing is sure to arrive, so an event is a hint to look, no more.
"""

import functools
from dataclasses import dataclass
from typing import Any, Literal, Protocol
from uuid import UUID

import libvirt

from hypervisors.libvirt.connection import Connection
from hypervisors.libvirt.errors import Unsupported, translated

GuestChange = Literal[
    "defined", "undefined", "started", "stopped", "suspended", "resumed", "rebooted"
]

_CHANGES: dict[int, GuestChange] = {
    libvirt.VIR_DOMAIN_EVENT_DEFINED: "defined",
    libvirt.VIR_DOMAIN_EVENT_UNDEFINED: "undefined",
    libvirt.VIR_DOMAIN_EVENT_STARTED: "started",
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED: "suspended",
    libvirt.VIR_DOMAIN_EVENT_RESUMED: "resumed",
    libvirt.VIR_DOMAIN_EVENT_STOPPED: "stopped",
    libvirt.VIR_DOMAIN_EVENT_CRASHED: "stopped",
    libvirt.VIR_DOMAIN_EVENT_PMSUSPENDED: "suspended",
}


@dataclass(frozen=True)
class GuestEvent:
    """A guest changed. "defined" is also a changed definition; "stopped" also a crash."""

    uuid: UUID
    what: GuestChange


class Listener(Protocol):
    """Who is told. Called in libvirt's own thread: it must neither block nor ask a host."""

    def guest_changed(self, event: GuestEvent) -> None:
        """A guest changed."""

    def connection_lost(self) -> None:
        """The connection is lost; nothing more will be told over it."""


def listen(connection: Connection, listener: Listener) -> None:
    """Be told from now on, for as long as the connection lives; asked again it changes nothing."""
    if connection.is_listened:
        return
    connection.call(_subscribe, connection, listener)
    connection.is_listened = True


def _subscribe(raw: Any, connection: Connection, listener: Listener) -> None:
    def on_lifecycle(_raw: Any, domain: Any, event: int, _detail: int, _opaque: None) -> None:
        change = _CHANGES.get(event)
        if change is not None:
            listener.guest_changed(GuestEvent(UUID(bytes=domain.UUID()), change))

    def on_reboot(_raw: Any, domain: Any, _opaque: None) -> None:
        listener.guest_changed(GuestEvent(UUID(bytes=domain.UUID()), "rebooted"))

    def on_close(_raw: Any, _reason: int, _opaque: None) -> None:
        listener.connection_lost()

    numbers = [
        raw.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, on_lifecycle, None),
        raw.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, on_reboot, None),
    ]
    try:
        with translated():
            raw.registerCloseCallback(on_close, None)
        hears_closing = True
    except Unsupported:
        hears_closing = False  # a driver inside this process (test:///) is never lost

    # Each of them holds the connection open.
    if hears_closing:
        connection.on_close.append(lambda raw: raw.unregisterCloseCallback())
    for number in numbers:
        connection.on_close.append(functools.partial(_deregister, number=number))


def _deregister(raw: Any, number: int) -> None:
    raw.domainEventDeregisterAny(number)

"""How a host's guests are seen and typed at: a part of `host.Host`."""

# ruff: noqa: D102 - the protocol says what each method is for

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol
from uuid import UUID

from hypervisors.libvirt import terminal
from hypervisors.libvirt.connection import Connection


class OpenTerminal(Protocol):
    """The serial line of a guest, open."""

    def is_alive(self) -> bool:
        """Whether the line is open, as far as is known."""

    def send(self, keys: bytes) -> None:
        """Give the guest input."""

    def close(self) -> None:
        """Give the line back."""


class HostWithConsoles(Protocol):
    """The serial lines of guests."""

    def open_terminal(
        self, uuid: UUID, on_output: Callable[[bytes], None], on_end: Callable[[], None]
    ) -> OpenTerminal:
        """Open the guest's serial line; who had it loses it."""


class LibvirtConsoles:
    """Each method is the driver's function of that name."""

    connection: Connection

    def open_terminal(
        self, uuid: UUID, on_output: Callable[[bytes], None], on_end: Callable[[], None]
    ) -> OpenTerminal:
        return terminal.open_terminal(self.connection, uuid, on_output, on_end)

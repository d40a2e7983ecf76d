"""Where a guest's display is and how it is reached; and its serial line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from hypervisors import ssh
from hypervisors.connections import connected, hurried, translated
from hypervisors.errors import GuestNotFound, NotOnHost, WrongGuestState
from hypervisors.host import Host
from hypervisors.host_consoles import OpenTerminal
from hypervisors.models import Hypervisor
from hypervisors.uris import ssh_address

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Display:
    """A VNC server on a host's loopback.

    `command` brings its bytes here on standard input and output; without one it is on this
    machine's own loopback.
    """

    port: int
    command: Sequence[str] = ()


def display_port(hypervisor: Hypervisor, server_id: UUID) -> int | None:
    """The port of the guest's VNC server on its host; None while it does not run.

    Raises:
        GuestNotFound: the host does not have it.
        HostUnreachable: the host does not answer.
    """
    with _connected_to_guest(hypervisor) as host:
        return host.guest_info(server_id).vnc_port


def find_display(hypervisor: Hypervisor, server_id: UUID) -> Display:
    """How to reach the guest's display.

    Raises:
        GuestNotFound: the host does not have it.
        WrongGuestState: it does not run.
        HostUnreachable: the host does not answer.
    """
    port = display_port(hypervisor, server_id)
    if port is None:
        raise WrongGuestState("The server does not run.")
    address = ssh_address(hypervisor.uri)
    if address is None:
        return Display(port)
    return Display(port, ssh.forward_command(address, hypervisor.host_keys, (LOOPBACK, port)))


def open_terminal(
    hypervisor: Hypervisor,
    server_id: UUID,
    on_output: Callable[[bytes], None],
    on_end: Callable[[], None],
) -> OpenTerminal:
    """The guest's serial line, for as long as the connection to its host lives.

    `on_output` and `on_end` are called in a thread of the driver's and must not wait.

    Raises:
        GuestNotFound: the host does not have it.
        WrongGuestState: it does not run.
        HostUnreachable: the host does not answer.
    """
    with _connected_to_guest(hypervisor) as host:
        return host.open_terminal(server_id, on_output, on_end)


def send_keys(hypervisor: Hypervisor, terminal: OpenTerminal, keys: bytes) -> None:
    """Give the guest behind a serial line input.

    Raises:
        HostUnreachable: the host does not answer.
        HostBusy: the guest takes no input.
        WrongGuestState: the line has ended.
    """
    with translated(hypervisor):
        terminal.send(keys)


@contextmanager
def _connected_to_guest(hypervisor: Hypervisor) -> Iterator[Host]:
    """The host, for somebody who waits: a silent one is given up soon."""
    try:
        with hurried(), connected(hypervisor) as host:
            yield host
    except NotOnHost as error:
        raise GuestNotFound("The host does not have the guest.", detail=error.detail) from error

"""What goes wrong with a host, and its mending: frozen, cut off, without a daemon, full."""

import contextlib
import errno
import os
import signal
from pathlib import Path

from lab import network
from lab.commands import LabError, run
from lab.host import DAEMONS, holder, name_of, wait_until
from lab.plan import HostPlan

# Whoever answers the portal: libvirt, sshd with its sessions, and what runs in these.
ANSWERING = frozenset({"libvirtd", "sshd", "virt-ssh-helper", "nc"})
STOPPED = "T"
FILLER = "var/lib/libvirt/images/.filled-by-lab"


def freeze(host: HostPlan) -> None:
    """Let the host accept connections and answer nothing; its guests go on."""

    def all_stand() -> bool:
        moving = [pid for pid in _answering(host) if _state_of(pid) != STOPPED]
        for pid in moving:
            _send(pid, signal.SIGSTOP)
        return not moving

    _must_run(host)
    wait_until(all_stand, f"{host.name} stands still")


def thaw(host: HostPlan) -> None:
    """Let a frozen host go on."""
    for pid in _answering(host):
        _send(pid, signal.SIGCONT)


def cut_link(host: HostPlan) -> None:
    """Pull the host's cable."""
    run("ip", "link", "set", host.outer_link, "down")


def join_link(host: HostPlan) -> None:
    """Put the host's cable in again."""
    run("ip", "link", "set", host.outer_link, "up")


def kill_daemon(host: HostPlan, name: str) -> None:
    """End one of the host's daemons without a word, with its sessions; `start-host` mends it.

    Raises:
        LabError: a host has no such daemon.
    """
    if name not in {*DAEMONS, "sshd"}:
        raise LabError(f"{name} is no daemon of a host ({', '.join(DAEMONS)}, sshd)")

    def none_left() -> bool:
        pids = [pid for pid in network.processes_in(host) if name_of(pid) == name]
        for pid in pids:
            _send(pid, signal.SIGKILL)
        return not pids

    wait_until(none_left, f"{name} of {host.name} ends")


def fill_pool(host: HostPlan) -> None:
    """Leave no room in the file system of the host's pool.

    Raises:
        LabError: the pool lies on this machine's own disk, which the lab does not fill.
    """
    if not host.pool_file.exists():
        raise LabError(f"{host.name} has no file system of its own: up --pool-size MIB")
    with _filler(host).open("ab") as file:
        room = os.fstatvfs(file.fileno())
        piece = room.f_bavail * room.f_frsize
        while piece >= room.f_frsize:
            try:
                os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, piece)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                piece //= 2


def empty_pool(host: HostPlan) -> None:
    """Give the room back."""
    _filler(host).unlink(missing_ok=True)


def _filler(host: HostPlan) -> Path:
    return Path(f"/proc/{_must_run(host)}/root", FILLER)


def _must_run(host: HostPlan) -> int:
    pid = holder(host)
    if pid is None:
        raise LabError(f"{host.name} does not run")
    return pid


def _answering(host: HostPlan) -> list[int]:
    return [pid for pid in network.processes_in(host) if name_of(pid) in ANSWERING]


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _state_of(pid: int) -> str:
    """The kernel's letter; a process that has ended stands still, too."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return STOPPED
    return STOPPED if state in "TtZX" else state

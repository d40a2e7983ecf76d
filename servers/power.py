"""Start, stop, reboot, pause and suspend servers, and make them dump their memory."""

from __future__ import annotations

from datetime import datetime

from identity.actors import Actor
from servers.begin import begin_action
from servers.models import Server


def start_server(*, server: Server, actor: Actor, now: datetime) -> None:
    """Switch a stopped server on.

    Raises:
        InvalidState: it is not stopped, or a task is under way.
        ServerLocked: it is locked, and the actor is no administrator.
        Forbidden: the actor may not.
    """
    begin_action(server, "start", kind="server.start", actor=actor, now=now)


def stop_server(*, server: Server, actor: Actor, now: datetime) -> None:
    """Switch a server off.

    Raises:
        InvalidState: it is not running, or a task is under way.
        ServerLocked: it is locked, and the actor is no administrator.
        Forbidden: the actor may not.
    """
    begin_action(server, "stop", kind="server.stop", actor=actor, now=now)


def reboot_server(*, server: Server, hard: bool, actor: Actor, now: datetime) -> None:
    """Reboot a server: by its own operating system, or hard, by the switch.

    A hard one takes the place of a reboot, pause or suspension that hangs, and discards what a
    suspended server had in memory.

    Raises:
        InvalidState: its state does not allow it, or a task is under way.
        ServerLocked: it is locked, and the actor is no administrator.
        Forbidden: the actor may not.
    """
    name, kind = ("hard reboot", "server.reboot_hard") if hard else ("reboot", "server.reboot")
    begin_action(server, name, kind=kind, actor=actor, now=now)


def pause_server(*, server: Server, actor: Actor, now: datetime) -> None:
    """Halt a running server; its memory stays on the host.

    Raises:
        InvalidState: it is not running, or a task is under way.
        ServerLocked: it is locked, and the actor is no administrator.
        Forbidden: the actor may not.
    """
    begin_action(server, "pause", kind="server.pause", actor=actor, now=now)


def unpause_server(*, server: Server, actor: Actor, now: datetime) -> None:
    """Let a paused server run on.

    Raises:
        InvalidState: it is not paused, or a task is under way.
        ServerLocked: it is locked, and the actor is no administrator.
        Forbidden: the actor may not.
    """
    begin_action(server, "unpause", kind="server.unpause", actor=actor, now=now)


def suspend_server(*, server: Server, actor: Actor, now: datetime) -> None:
    """Write a running server's memory to its host's disk and switch it off.

    Raises:
        InvalidState: it is not running, or a task is under way.
        ServerLocked: it is locked, and the actor is no administrator.
        Forbidden: the actor may not.
    """
    begin_action(server, "suspend", kind="server.suspend", actor=actor, now=now)


def resume_server(*, server: Server, actor: Actor, now: datetime) -> None:
    """Let a suspended server run on where it was.

    Raises:
        InvalidState: it is not suspended, or a task is under way.
        ServerLocked: it is locked, and the actor is no administrator.
        Forbidden: the actor may not.
    """
    begin_action(server, "resume", kind="server.resume", actor=actor, now=now)


def trigger_crash_dump(*, server: Server, actor: Actor, now: datetime) -> None:
    """Send a server the interrupt at which its operating system dumps its memory.

    Raises:
        InvalidState: it does not run, or a task is under way.
        ServerLocked: it is locked, and the actor is no administrator.
        Forbidden: the actor may not.
    """
    begin_action(server, "trigger_crash_dump", kind="server.crash_dump", actor=actor, now=now)

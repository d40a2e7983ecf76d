"""When a host may be fenced, and what it is then: forced down, until it is seen to have booted.

That a host does not answer proves nothing: its guests may run all the same. Its fence command that
succeeded is a proof, as long as the host was not seen since the command began.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from hypervisors import fence_command, ssh
from hypervisors.errors import FenceFailed
from hypervisors.models import HostState, Hypervisor
from hypervisors.uris import ssh_address

# What was seen longer ago says nothing any more.
FRESH = timedelta(minutes=2)
_NOTE_LENGTH = 1024


def obstacle(host: Hypervisor, now: datetime) -> str:
    """Why the host, which is down, is not fenced now; "" when it may be."""
    if host.is_forced_down:
        return "An administrator declared it dead: its servers are evacuated by hand."
    if host.in_maintenance:
        return "It is in maintenance, so it is not fenced."
    if not host.sealed_fence_command:
        return "It has no fence command, so nothing proves that its guests do not run."
    if host.state_since is None or host.looked_at is None or now - host.looked_at > FRESH:
        return "It is not fenced: no keeper has looked at it lately."
    due_at = host.state_since + timedelta(seconds=host.fence_after_s)
    if now < due_at:
        return f"It is fenced if it is still down at {due_at:%H:%M:%S} (UTC)."
    if _is_portal_cut_off():
        return "It is not fenced while more hosts are down than up: the portal may be cut off."
    return ""


def fence(host: Hypervisor) -> str:
    """Switch the host off; what its command printed.

    Raises:
        FenceFailed: the host shows a sign of life, or its command did not succeed.
    """
    address = ssh_address(host.uri)
    if address is not None and ssh.greets(address):
        raise FenceFailed("It is not fenced: its SSH server answers, so its guests may run.")
    return fence_command.run_fence_command(host)


def mark_fenced(host: Hypervisor, begun_at: datetime) -> bool:
    """Hold the host for dead since its fence command began; False when it was seen since then."""
    with transaction.atomic():
        current = Hypervisor.objects.select_for_update().get(pk=host.pk)
        seen_at = current.last_seen_at
        if current.state != HostState.DOWN or (seen_at is not None and seen_at >= begun_at):
            return False
        Hypervisor.objects.filter(pk=host.pk).update(is_forced_down=True, fenced_at=begun_at)
        return True


def has_booted(host: Hypervisor) -> bool:
    """Whether it was seen, since it was fenced, in another boot than before."""
    fenced_at, booted_at = host.fenced_at, host.booted_at
    return fenced_at is not None and booted_at is not None and booted_at >= fenced_at


def is_doubtful(host: Hypervisor) -> bool:
    """Whether it answered since it was fenced, in the boot it was in before or an unknown one."""
    fenced_at, seen_at = host.fenced_at, host.last_seen_at
    was_seen = fenced_at is not None and seen_at is not None and seen_at >= fenced_at
    return was_seen and not has_booted(host)


def release(host: Hypervisor) -> None:
    """Believe again what the host looks like; unless it was fenced once more meanwhile."""
    Hypervisor.objects.filter(pk=host.pk, fenced_at=host.fenced_at).update(
        is_forced_down=False, fenced_at=None, fence_note=""
    )


def forget_fences() -> None:
    """A host that an administrator declared dead no more is not proven to be dead either."""
    gone = Hypervisor.objects.filter(fenced_at__isnull=False, is_forced_down=False)
    # Asked first: an update that changes nothing takes the database's lock all the same.
    if gone.exists():
        gone.update(fenced_at=None, fence_note="")


def note(host: Hypervisor, text: str) -> None:
    """Write down, for administrators, how far it is or what it waits for."""
    text = text[:_NOTE_LENGTH]
    if text != host.fence_note:
        host.fence_note = text
        Hypervisor.objects.filter(pk=host.pk).update(fence_note=text)


def _is_portal_cut_off() -> bool:
    missed = Hypervisor.objects.filter(is_enabled=True, in_maintenance=False, is_forced_down=False)
    down = missed.filter(state=HostState.DOWN).count()
    return down > Hypervisor.objects.filter(state=HostState.UP).count()

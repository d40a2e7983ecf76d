"""Takes away again what the deletion of servers leaves: volumes, snapshots, adopted servers."""

from __future__ import annotations

from collections.abc import Callable

from django.utils import timezone

from identity.actors import Actor, system_actor
from servers.adopt import release_server
from servers.models import Server
from volumes.delete import delete_volume
from volumes.models import Snapshot, Volume
from volumes.snapshots import delete_snapshot


def let_adopted_go(settle: Callable[[], None]) -> None:
    """Release the servers that were adopted, which nothing deletes."""
    for server in Server.objects.alive().exclude(adopted_name=""):
        release_server(server=server, actor=system_actor(), now=timezone.now())
    settle()


def clear_volumes(actor: Actor, settle: Callable[[], None]) -> None:
    """Delete what is there; the servers that had it went before."""
    for snapshot in Snapshot.objects.all():
        delete_snapshot(snapshot=snapshot, actor=actor, now=timezone.now())
    settle()
    for volume in Volume.objects.all():
        delete_volume(volume=volume, cascade=False, actor=actor, now=timezone.now())
    settle()
    assert not Volume.objects.exists()

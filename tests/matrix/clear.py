"""Takes volumes and their snapshots away again, whatever became of them."""

from __future__ import annotations

from collections.abc import Callable

from django.utils import timezone

from identity.actors import Actor
from volumes.delete import delete_volume
from volumes.models import Snapshot, Volume
from volumes.snapshots import delete_snapshot


def clear_volumes(actor: Actor, settle: Callable[[], None]) -> None:
    """Delete what is there; the servers that had it went before."""
    for snapshot in Snapshot.objects.all():
        delete_snapshot(snapshot=snapshot, actor=actor, now=timezone.now())
    settle()
    for volume in Volume.objects.all():
        delete_volume(volume=volume, cascade=False, actor=actor, now=timezone.now())
    settle()
    assert not Volume.objects.exists()

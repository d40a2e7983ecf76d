"""Delete a volume: from its host, then from the books. It goes forward only."""

from __future__ import annotations

from django.db import transaction

from hypervisors import volumes as on_hosts
from hypervisors.models import HostState
from operations.errors import Wait
from operations.kinds import Context, Kind, Step
from quotas.consume import release
from volumes.delete import DELETE_NAME
from volumes.models import Snapshot, Volume
from volumes.operations.facts import COPY_PAUSE_S, clear_left, wait_for_copies_of


def delete_storage(context: Context) -> None:
    """Delete its file, once nobody copies it; of a lost host only who insists lets it be.

    Raises:
        Wait: its snapshots go first.
    """
    volume = Volume.objects.select_related("hypervisor").filter(pk=context.subject).first()
    if volume is None:
        return
    if Snapshot.objects.filter(volume=volume).exists():
        raise Wait("Its snapshots are still being deleted.", seconds=COPY_PAUSE_S)
    wait_for_copies_of(volume.pk)
    clear_left(volume.pk)
    host = volume.hypervisor
    is_lost = host is not None and (host.state == HostState.DOWN or host.is_forced_down)
    if host is None or (is_lost and context.params.get("force")):
        return
    on_hosts.delete_volume(host, volume.pool, volume.storage_name)


def forget(context: Context) -> None:
    """Give back the quota and forget the volume, both at once."""
    with transaction.atomic():
        release(subject=context.subject)
        Volume.objects.filter(pk=context.subject).delete()


DELETE = Kind(
    DELETE_NAME,
    steps=[
        # No undo anywhere: a delete goes forward.
        Step("delete_storage", delete_storage, on_host=True),
        Step("forget", forget),
    ],
    # Its host may be away for long; until it is back nobody can say that the data is gone.
    retries=None,
    deadline_s=None,
)

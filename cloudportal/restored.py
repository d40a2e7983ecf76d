"""What a restored database must be told: the world has gone on without it.

Each unfinished operation in it is from the moment of the backup. What is resumed must do no harm to
what has become of its subject since:

- start, stop, reboot: cancelled. The user has long seen them done; the guest's power is looked at.
- build: cancelled, and the server forgotten. It was probably finished since, so undoing would
  destroy a server in use, and going on might build it a second time on another host; a row that
  says it was never built would even have its guest taken for a stray. Where a host has it,
  `manage.py integrity --repair` takes it in again from what its domain says.
- all others, which are deletes, debts and removals: resumed. They take away what bears the id of
  their subject, nothing else, and look first.

Plans to drain hosts are paused, for nobody knows whether the maintenance is over since.

Every host is told its floating IPs: it may have some that were taken since. So it is told which
other hosts have the networks that it shares with them.

No host counts as up before it has been looked at, so that nothing is placed by old knowledge. That
one was fenced proves nothing any more: it stays forced down until an administrator says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib.sessions.models import Session
from django.db import transaction

from hypervisors import capacity
from hypervisors.models import HostState, Hypervisor
from maintenance import drain
from networks import floating_places, network_places, server_ports
from operations import enqueue
from operations.models import UNFINISHED, Operation, OperationState, StepRecord
from quotas.consume import release
from scheduling.place import release_server
from servers import history
from servers.models import Server
from servers.operations.build import BUILD
from servers.operations.power import REBOOT, START, STOP

POWER = {START.name, STOP.name, REBOOT.name}


@dataclass
class Settled:
    """How many unfinished operations there were, by what became of them."""

    cancelled: int = 0
    resumed: int = 0


def settle(*, now: datetime) -> Settled:
    """Bring a database that was just restored to where the portal may be started on it."""
    done = Settled()
    with transaction.atomic():
        enqueue.forget_jobs()
        # Who was logged in may have been locked out since.
        Session.objects.all().delete()
        Hypervisor.objects.update(state=HostState.UNKNOWN, fenced_at=None, fence_note="")
        StepRecord.objects.filter(finished_at=None).update(finished_at=now, result="Interrupted")
        for operation in Operation.objects.select_for_update().filter(state__in=UNFINISHED):
            operation.lease_owner, operation.lease_until = "", None
            operation.wake_at = operation.updated_at = now
            operation.save(update_fields=["lease_owner", "lease_until", "wake_at", "updated_at"])
            if operation.successor is not None:
                enqueue.give_way(operation, now=now)
                done.resumed += 1
            elif operation.kind == BUILD.name or operation.kind in POWER:
                _cancel(operation, now)
                done.cancelled += 1
            else:
                enqueue.wake(operation.pk, operation.queue)
                done.resumed += 1
        floating_places.tell_all(now=now)
        network_places.again(now)
        drain.pause_all(
            note="The database was restored from a backup: resume or cancel it by hand."
        )
    return done


def _cancel(operation: Operation, now: datetime) -> None:
    operation.state = OperationState.CANCELLED
    operation.finished_at = now
    operation.save(update_fields=["state", "finished_at"])
    subject = operation.subject
    history.mark_action_failed(server_id=subject, request_id=operation.request_id, now=now)
    if operation.kind in POWER:
        Server.objects.change(subject, task_state=None, updated_at=now)
        return
    capacity.free_build_slot(operation_id=operation.pk)
    server_ports.release_server_ports(server_id=subject, now=now)
    release_server(server_id=subject)
    release(subject=subject)
    Server.objects.filter(pk=subject).delete()

"""Begin an action on a server: may it be, is it legal now, and then its row and its work.

Both doors, the API's and the dashboard's, go through here by way of the use cases.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from identity import policy
from identity.actors import Actor
from operations.enqueue import enqueue, supersede
from operations.models import UNFINISHED, Operation
from servers.action_log import record_action
from servers.attached_volumes import refuse_if_attached, refuse_volume_backed
from servers.errors import DevicesInUse, InvalidState, ServerAdopted, ServerLocked, TpmStays
from servers.legal import LEGAL, Rule
from servers.models import Server

# What takes a server off its host, where its volumes lie.
_PARTS = frozenset({"os-migrateLive", "evacuate", "shelve", "shelveOffload"})
# What parts a server from its TPM, which keeps what it knows on the server's host.
_PARTS_FROM_TPM = frozenset({"rebuild", "rescue", "evacuate", "shelve", "shelveOffload", "migrate"})
# What is done with the disk of an image, which a server that runs from a volume does not have.
_NEEDS_OWN_ROOT = frozenset({"createImage", "createBackup"})


def begin_action(
    server: Server,
    name: str,
    *,
    kind: str,
    actor: Actor,
    now: datetime,
    params: dict[str, Any] | None = None,
) -> None:
    """Begin the action `name` of the table of legal states, as an operation of this kind.

    Where the table lets it interrupt other tasks, it takes their place.

    Raises:
        InvalidState: the server's state does not allow it, or another task is under way.
        ServerAdopted: it was not made here, and the action is for those that were.
        VolumesAttached: its volumes cannot go with it.
        VolumeBacked: it runs from a volume.
        TpmStays: it has a TPM, which cannot go with it.
        DevicesInUse: it has devices of its host, which cannot be suspended.
        ServerLocked: it is locked, and the actor is no administrator.
        Forbidden: the actor may not.
    """
    rule = LEGAL[name]
    require(actor, rule, server)
    work: dict[str, Any] = {
        "subject": server.pk,
        "params": params or {},
        "request_id": actor.request_id,
        "now": now,
    }
    with transaction.atomic():
        Server.objects.begin_task(server, rule, passes_lock=actor.is_admin)
        if name in _PARTS:
            refuse_if_attached(server)
        if name in _PARTS_FROM_TPM and server.request_spec.get("tpm"):
            raise TpmStays.of(name, server.pk)
        if name == "suspend" and server.request_spec.get("pci"):
            raise DevicesInUse(
                "The server has PCI devices of its host, whose state cannot be kept on a disk."
            )
        if name in _NEEDS_OWN_ROOT:
            refuse_volume_backed(server)
        at_work = Operation.objects.filter(subject=server.pk, state__in=UNFINISHED)
        if rule.tasks and at_work.filter(kind=kind).exists():
            # It is being done already, and the row is that one's to change.
            transaction.set_rollback(True)
            return
        record_action([server.pk], rule.record, actor=actor, now=now)
        if rule.tasks:
            supersede(kind, **work)
        else:
            enqueue(kind, **work)


def require(actor: Actor, rule: Rule, server: Server) -> None:
    """Let an actor pass the policy of a rule.

    Raises:
        Forbidden: the actor may not.
    """
    policy.require(actor, rule.policy, project_id=server.project_id, user_id=server.user_id)


def check_legal(server: Server, name: str, actor: Actor) -> None:
    """See whether an action that begins no task is legal on the server as it is.

    Raises:
        ServerAdopted: it was not made here, and the action is for those that were.
        ServerLocked: it is locked, and the actor is no administrator.
        InvalidState: its state does not allow it.
    """
    rule = LEGAL[name]
    if server.adopted_name and not rule.for_adopted:
        raise ServerAdopted.of(server, rule)
    if server.locked_by and rule.heeds_lock and not actor.is_admin:
        raise ServerLocked.of(server)
    if rule.obstacle(server) is not None:
        raise InvalidState.of(server, rule)

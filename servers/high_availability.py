"""Restart servers that are marked `enable_ha` when their host is proven dead, and never before.

The proof is the host's fence command that succeeded. Then each of its servers that should run is
evacuated, a few at a time, and the host stays forced down: when it is back, and seen to have
booted, what the servers left there is taken off first. A host that came back by itself in another
boot needs no fence: libvirt tells which guests are off, and `start_again` starts them.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, Max, Q

from cloudportal.errors import CloudError
from hypervisors import fencing
from hypervisors.models import HostState, Hypervisor
from identity.actors import system_actor
from operations.enqueue import AlreadyAtWork, enqueue
from operations.models import UNFINISHED, Operation
from servers import evacuation, history
from servers.action_log import record_action
from servers.evacuation import Evacuation, evacuate_server
from servers.models import Migration, Server, ServerAction, ServerEvent, ServerQuerySet
from servers.resize import confirm_resize
from servers.states import MigrationStatus, MigrationType, VmState

logger = logging.getLogger(__name__)

FENCE = "hypervisor.fence"
CLEANUP = "server.cleanup"
# A part of the action "evacuate", where that could not begin.
EVENT = "cloudportal_enable_ha"
EVERY_S = 5.0
# So many servers leave one dead host at a time.
EVACUATED_AT_ONCE = 4
# After a failure, so long until the next try, and twice as long each time up to the limit.
PAUSE_S = 60.0
PAUSE_LIMIT_S = 3600.0


def marked(host: Hypervisor) -> ServerQuerySet:
    """The servers on a host that are to run whatever becomes of it."""
    return Server.objects.alive().filter(
        hypervisor=host, vm_state=VmState.ACTIVE, options__enable_ha=True
    )


def see_to_hosts(now: datetime) -> None:
    """Fence hosts, restart their servers elsewhere, and take hosts back: whichever is due."""
    fencing.forget_fences()
    concerned = Q(state=HostState.DOWN) | Q(is_forced_down=True) | ~Q(fence_note="")
    for host in Hypervisor.objects.filter(concerned):
        try:
            fencing.note(host, _see_to(host, now))
        except CloudError:
            # One host's trouble is not another's.
            logger.exception("The servers of %s cannot be seen to.", host.name)
    _confirm_own_moves(now)


def fate_of(server: Server) -> str:
    """What becomes of a server when its host dies, in words for administrators; "" for nothing."""
    host = server.hypervisor
    if not server.options.get("enable_ha") or host is None:
        return ""
    if host.fence_note:
        return f"{host.name}: {host.fence_note}"
    if host.sealed_fence_command:
        return (
            f"It is restarted elsewhere when {host.name} has been down for {host.fence_after_s} s "
            "and was fenced."
        )
    return f"{host.name} has no fence command: the server is restarted only when that host is back."


def _see_to(host: Hypervisor, now: datetime) -> str:
    if host.fenced_at is not None:
        if fencing.is_doubtful(host):
            return (
                "It answered, but was not seen to have booted since it was fenced: was it switched "
                "off? An administrator has to look at it, and to declare it dead no more."
            )
        if host.state == HostState.UP:
            return _take_back(host)
        return _restart_elsewhere(host, now) if host.state == HostState.DOWN else host.fence_note
    if host.state != HostState.DOWN or not marked(host).exists():
        return ""
    at_work = Operation.objects.filter(subject=host.uuid, kind=FENCE, state__in=UNFINISHED)
    if at_work.exists():
        # Its own words are there.
        return host.fence_note
    waits_for = fencing.obstacle(host, now)
    if waits_for:
        return waits_for
    try:
        enqueue(
            FENCE, subject=host.uuid, params={"hypervisor": host.pk},
            request_id=f"req-{uuid.uuid4()}", now=now,
        )  # fmt: skip
    except AlreadyAtWork:
        return host.fence_note
    return "Its fence command is to be run."


def _restart_elsewhere(host: Hypervisor, now: datetime) -> str:
    since = f"Fenced at {host.fenced_at:%F %T} (UTC)."
    servers = list(marked(host).select_related("hypervisor").order_by("created_at", "pk"))
    leaving = set(
        Operation.objects.filter(
            subject__in=[each.pk for each in servers],
            kind=evacuation.KIND,
            state__in=UNFINISHED,
        ).values_list("subject", flat=True)
    )
    paused = _paused(host, servers, now)
    ready = [
        each
        for each in servers
        if each.pk not in leaving and each.pk not in paused and each.task_state is None
    ]
    refusals = []
    for server in ready[: max(0, EVACUATED_AT_ONCE - len(leaving))]:
        refusal = _evacuate(server, host, now)
        if refusal:
            refusals.append(f"{server.pk}: {refusal}")
    if not servers:
        return f"{since} Every server that was to run has been restarted elsewhere."
    words = [since, f"{len(servers)} servers are still to be restarted elsewhere."]
    if paused:
        words.append(f"{len(paused)} of them could not be, and are tried again: {_why(paused)}")
    return " ".join([*words, *refusals])


def _evacuate(server: Server, host: Hypervisor, now: datetime) -> str:
    """Begin the evacuation; why it cannot be, or ""."""
    actor = system_actor(f"req-{uuid.uuid4()}")
    reason = f"Host {host.name} is dead: its fence command succeeded at {host.fenced_at:%F %T}."
    try:
        evacuate_server(server=server, wanted=Evacuation(reason=reason), actor=actor, now=now)
    except CloudError as error:
        with transaction.atomic():
            record_action([server.pk], evacuation.ACTION, actor=actor, now=now)
            history.end_event(
                server_id=server.pk,
                request_id=actor.request_id,
                event=EVENT,
                host=host.name,
                error=error.message,
                now=now,
            )
            history.mark_action_failed(server_id=server.pk, request_id=actor.request_id, now=now)
        return error.message
    logger.warning("Server %s is restarted elsewhere. %s", server.pk, reason)
    return ""


def _paused(host: Hypervisor, servers: Collection[Server], now: datetime) -> set[uuid.UUID]:
    """Those whose evacuation failed not long ago."""
    failures = (
        ServerAction.objects.filter(
            server_id__in=[each.pk for each in servers],
            action=evacuation.ACTION,
            user_id=system_actor().user_id,
            message=history.ERROR,
            started_at__gte=host.fenced_at,
        )
        .values("server_id")
        .annotate(number=Count("pk"), newest=Max("started_at"))
    )
    return {
        each["server_id"]
        for each in failures
        if now < each["newest"] + timedelta(seconds=_pause_s(each["number"]))
    }


def _why(servers: Collection[uuid.UUID]) -> str:
    """What the newest failure was."""
    failed = ServerEvent.objects.filter(
        action__server_id__in=servers, action__action=evacuation.ACTION, result=history.ERROR
    )
    return failed.order_by("-pk").values_list("details", flat=True).first() or "Error."


def _pause_s(failures: int) -> float:
    return min(float(PAUSE_S * 2 ** min(failures - 1, 10)), PAUSE_LIMIT_S)


def _take_back(host: Hypervisor) -> str:
    """Let a fenced host that is back have servers again, once nothing old is left there."""
    evacuations = Operation.objects.filter(kind=evacuation.KIND, state__in=UNFINISHED)
    moves = [params["migration"] for params in evacuations.values_list("params", flat=True)]
    leaving = Migration.objects.filter(pk__in=moves, source=host)
    owing = Operation.objects.filter(kind=CLEANUP, state__in=UNFINISHED, params__hypervisor=host.pk)
    if leaving.exists() or owing.exists():
        return "It is back; what its servers left there is being taken off first."
    fencing.release(host)
    logger.warning("Hypervisor %s has booted since it was fenced: it is used again.", host.name)
    return ""


def _confirm_own_moves(now: datetime) -> None:
    """Nobody is asked to confirm that a server left a disabled host because of this."""
    own = Migration.objects.filter(
        type=MigrationType.MIGRATION,
        status=MigrationStatus.FINISHED,
        user_id=system_actor().user_id,
    )
    keys = list(own.values_list("server_id", flat=True))
    if not keys:
        return
    resized = Server.objects.alive().filter(vm_state=VmState.RESIZED, task_state=None)
    for server in resized.filter(pk__in=keys).select_related("hypervisor"):
        try:
            confirm_resize(server=server, actor=system_actor(f"req-{uuid.uuid4()}"), now=now)
        except CloudError as error:
            logger.info("The move of %s is not confirmed yet: %s", server.pk, error)

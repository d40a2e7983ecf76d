"""Start the servers whose guests went down with their host; one that was shut down stays off.

A guest that a user, or an administrator, switched off has a reason that libvirt tells. One that
was off when libvirt started has none, as after the host lost its power or booted: the server is
ACTIVE, so it is started again. The reason also tells so when no keeper saw the host go down.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime

from django.db import transaction

from hypervisors.guests import GuestUsage
from hypervisors.models import BuildSlot, Hypervisor
from identity.actors import system_actor
from operations.enqueue import AlreadyAtWork, enqueue
from servers.action_log import record_action
from servers.errors import InvalidState, ServerNotFound
from servers.history import ERROR
from servers.legal import LEGAL
from servers.models import Server, ServerAction
from servers.states import PowerState, TaskState, VmState

logger = logging.getLogger(__name__)

ACTION = "start"
# As a start, but of a server that should run.
START_AGAIN = replace(LEGAL["start"], states=frozenset({VmState.ACTIVE}), needs_launch=False)
_EVER = datetime.min.replace(tzinfo=UTC)
# Lost when libvirt came back, which also a guest that crashed while all was well may seem.
_LOST_WITH_LIBVIRT = ("crashed", "daemon")


def went_down_with_host(server: Server, guest: GuestUsage | None) -> bool:
    """Whether the server should run, and its guest is off because its host was."""
    if guest is None or server.vm_state != VmState.ACTIVE:
        return False
    if guest.off_reason == "unknown":
        return True
    # The state is unknown from the time the host went away to the first look at it afterwards.
    was_away = server.power_state == PowerState.NOSTATE
    return was_away and guest.off_reason in _LOST_WITH_LIBVIRT


def start_again(hypervisor: Hypervisor, servers: Collection[Server], now: datetime) -> list[Server]:
    """Start as many of the servers as the host may build at a time; the others' turn comes later.

    Returns those that are not to be started: they were, since the host is back, and failed.
    """
    if not servers:
        return []
    failed = _failed_since(hypervisor.state_since or _EVER, servers)
    left = [server for server in servers if server.pk not in failed]
    if not hypervisor.is_forced_down:
        for server in left[: _room(hypervisor)]:
            _start(server, now)
    # Until its turn comes, nobody may take the server for one that was switched off.
    Server.objects.filter(pk__in=[server.pk for server in left], task_state=None).update(
        power_state=PowerState.NOSTATE
    )
    return [server for server in servers if server.pk in failed]


def _start(server: Server, now: datetime) -> None:
    request_id = f"req-{uuid.uuid4()}"
    try:
        with transaction.atomic():
            Server.objects.begin_task(server, START_AGAIN, passes_lock=True)
            record_action([server.pk], ACTION, actor=system_actor(request_id), now=now)
            enqueue("server.start", subject=server.pk, params={}, request_id=request_id, now=now)
    except (InvalidState, ServerNotFound, AlreadyAtWork) as error:
        # Somebody was faster; the next look sees what came of it.
        logger.info("Server %s is not started again: %s", server.pk, error)
        return
    logger.info("Server %s is started again: its host was down.", server.pk)


def _room(hypervisor: Hypervisor) -> int:
    starting = Server.objects.filter(hypervisor=hypervisor, task_state=TaskState.POWERING_ON)
    building = BuildSlot.objects.filter(hypervisor=hypervisor)
    return max(0, hypervisor.max_concurrent_builds - starting.count() - building.count())


def _failed_since(instant: datetime, servers: Collection[Server]) -> set[uuid.UUID]:
    """Those that the portal itself tried to start since then, in vain."""
    tries = ServerAction.objects.filter(
        server_id__in=[server.pk for server in servers],
        action=ACTION,
        user_id=system_actor().user_id,
        message=ERROR,
        started_at__gte=instant,
    )
    return set(tries.values_list("server_id", flat=True))

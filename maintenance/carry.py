"""Carry on the plans that run: begin the next moves, and see what became of those before.

Each move is begun in one transaction with the note of it, under the lock of all running plans: so
several keepers may be at it, and whoever dies leaves nothing half done. What a server's move came
to is read from the server and its operations alone.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from cloudportal.errors import CloudError
from hypervisors.models import HostState, Hypervisor
from hypervisors.pools import block_pools
from identity.actors import Actor, system_actor
from maintenance.check import check_plan
from maintenance.destination import destinations, refusal
from maintenance.drain import give_service_back
from maintenance.forecast import servers_of
from maintenance.models import Drain, DrainItem, DrainItemQuerySet
from maintenance.outlook import Outlook, outlook_of, volumes_of
from maintenance.states import OPEN, OVER, STARTABLE, DrainState, ItemState, Way
from operations.enqueue import AlreadyAtWork
from operations.models import UNFINISHED, Operation
from scheduling.choose import Choice
from scheduling.models import Allocation
from servers import history
from servers.live_migration import UNDER_WAY as LIVE_UNDER_WAY
from servers.live_migration import LiveMove, live_migrate_server
from servers.models import Migration, Server
from servers.moves import UNDER_WAY as COLD_UNDER_WAY
from servers.moves import waiting_move
from servers.resize import confirm_resize, migrate_server
from servers.states import VmState

logger = logging.getLogger(__name__)

EVERY_S = 3.0
MAX_TRIES = 3
# After a failure, so long until the next try, and twice as long each time.
PAUSE_S = 30.0
# What is in a server's way is looked at again so often.
LOOK_AGAIN_S = 30.0
BUSY_S = 5.0
# A server that was given to the host just before it was disabled shows up within this time.
SETTLED_S = 10.0
# How the error of a migration begins that a host refused: another one may have the server.
PRE_CHECK = "Migration pre-check error"
_NOT_LEFT = "The move is over, and the server is where it was."


def carry_on_drains(now: datetime) -> None:
    """Do what is due of every plan."""
    at_work = Q(state__in=OPEN)
    # Of a cancelled one the moves that were under way are seen to their end.
    at_work |= Q(items__state=ItemState.MOVING)
    drains = Drain.objects.filter(at_work).distinct().select_related("hypervisor")
    for drain in drains.order_by("pk"):
        try:
            carry_on(drain, now)
        except CloudError:
            # One host's trouble is not another's.
            logger.exception("The plan %s cannot be carried on.", drain.pk)


def carry_on(drain: Drain, now: datetime) -> None:
    """See to the moves under way and to servers that came or left; begin what there is room for."""
    for item in drain.items.filter(state=ItemState.MOVING):
        _see_to_move(drain, item, now)
    if drain.state == DrainState.PLANNED:
        check_plan(drain, now)
    if drain.state not in {DrainState.RUNNING, DrainState.PAUSED}:
        return
    _take_in(drain, now)
    if drain.state == DrainState.RUNNING:
        _note(drain, _begin_moves(drain, now))
        _finish(drain, now)


# What became of a move


def _see_to_move(drain: Drain, item: DrainItem, now: datetime) -> None:
    # First the operation, then the server: what the operation did is then seen.
    if _is_at_work(item):
        return
    server = Server.objects.alive().select_related("hypervisor").filter(pk=item.server_id).first()
    moving = DrainItem.objects.filter(
        pk=item.pk, state=ItemState.MOVING, request_id=item.request_id
    )
    if server is None:
        moving.change(now, state=ItemState.GONE, reason="It was deleted.")
    elif server.task_state is not None:
        # Somebody has begun something else since.
        moving.change(now, state=ItemState.WAITING, reason=_NOT_LEFT)
    elif server.vm_state == VmState.RESIZED:
        _confirm(drain, item, server, now)
    elif server.hypervisor_id != drain.hypervisor_id:
        name = server.hypervisor.name if server.hypervisor else ""
        moving.change(now, state=ItemState.MOVED, destination=name, reason="", due_at=None)
    else:
        _fail(moving, item, item.destination, _error_of(item), now)


def _is_at_work(item: DrainItem) -> bool:
    at_work = Operation.objects.filter(subject=item.server_id, state__in=UNFINISHED)
    return at_work.filter(params__migration=item.migration_id).exists()


def _confirm(drain: Drain, item: DrainItem, server: Server, now: datetime) -> None:
    """Nobody else is asked to confirm that a server left because of the plan."""
    waiting = waiting_move(server.pk)
    if waiting is None or waiting.pk != item.migration_id:
        rows = DrainItem.objects.filter(pk=item.pk, state=ItemState.MOVING)
        rows.change(now, state=ItemState.WAITING, reason=_NOT_LEFT)
        return
    try:
        confirm_resize(server=server, actor=_actor(drain), now=now)
    except CloudError as error:
        logger.info("The move of %s is not confirmed yet: %s", server.pk, error)


def _error_of(item: DrainItem) -> str:
    """What the move itself says; the server's faults might be older, or another machine's clock."""
    moves = Operation.objects.filter(
        subject=item.server_id, request_id=item.request_id, error__isnull=False
    )
    found = moves.order_by("-created_at").values_list("error__message", flat=True).first()
    return found or _NOT_LEFT


def _fail(rows: DrainItemQuerySet, item: DrainItem, host: str, why: str, now: datetime) -> None:
    """The move did not come about: another host, a pause and another try, or it is blocked."""
    if why.startswith(PRE_CHECK) and host:
        refused = {**item.refused, host: why}
        rows.change(now, state=ItemState.FAILED, refused=refused, reason=why, due_at=None)
        return
    tries = item.tries + 1
    if tries >= MAX_TRIES:
        rows.change(
            now,
            state=ItemState.BLOCKED,
            tries=tries,
            reason=f"It was tried {tries} times; resume the plan to try again. {why}",
            due_at=None,
        )
        return
    pause = timedelta(seconds=PAUSE_S * 2 ** (tries - 1))
    rows.change(now, state=ItemState.FAILED, tries=tries, reason=why, due_at=now + pause)


# Servers that came and went


def _take_in(drain: Drain, now: datetime) -> None:
    """Servers that have come are taken in, those that have left or were deleted are over."""
    present = dict(servers_of(drain.hypervisor).values_list("pk", "hypervisor_id"))
    known = {item.server_id: item for item in drain.items.all()}
    after = 1 + max((item.position for item in known.values()), default=-1)
    new = [
        DrainItem(
            drain=drain,
            server_id=key,
            position=after + number,
            reason="It came to the host after the plan was made.",
            updated_at=now,
        )
        for number, key in enumerate(sorted(present.keys() - known.keys()))
    ]
    # Another keeper may have taken them in just now.
    DrainItem.objects.bulk_create(new, ignore_conflicts=True)
    for key, item in known.items():
        rows = DrainItem.objects.filter(pk=item.pk, state=item.state)
        if item.state in STARTABLE and key not in present:
            _let_go(rows, key, now)
        elif item.state in OVER and present.get(key) == drain.hypervisor_id:
            rows.change(now, state=ItemState.WAITING, reason="It has come back.", due_at=None)


def _let_go(rows: DrainItemQuerySet, server_id: uuid.UUID, now: datetime) -> None:
    server = Server.objects.alive().select_related("hypervisor").filter(pk=server_id).first()
    if server is None:
        rows.change(now, state=ItemState.GONE, reason="It was deleted.")
        return
    host = server.hypervisor.name if server.hypervisor else ""
    why = f"It left for {host} by itself." if host else "It left the host by itself."
    rows.change(now, state=ItemState.GONE, destination=host, reason=why)


# The next moves


def _begin_moves(drain: Drain, now: datetime) -> str:
    """Begin as many as may be; what the plan waits for, in words."""
    host = Hypervisor.objects.get(pk=drain.hypervisor_id)
    if host.state != HostState.UP or host.is_forced_down:
        return f"{host.name} is {host.condition}: its servers cannot be moved until it is back."
    due = drain.items.filter(
        Q(due_at=None) | Q(due_at__lte=now), state__in=STARTABLE, tries__lt=MAX_TRIES
    )
    for item in due.order_by("position", "pk"):
        if drain.items.filter(state=ItemState.MOVING).count() >= drain.max_at_once:
            break
        with transaction.atomic():
            if not _take_up(drain.pk, item.pk, now):
                break
    return ""


def _take_up(drain_id: int, item_id: int, now: datetime) -> bool:
    """Begin the move of one server, or say why not; False when no more can begin."""
    running = Drain.objects.select_for_update().filter(state=DrainState.RUNNING).order_by("pk")
    drain = next((each for each in running if each.pk == drain_id), None)
    if drain is None:
        return False
    if drain.items.filter(state=ItemState.MOVING).count() >= drain.max_at_once:
        return False
    item = drain.items.filter(pk=item_id, state__in=STARTABLE).first()
    if item is None:
        return True
    servers = Server.objects.alive().select_for_update(of=("self",))
    server = servers.filter(pk=item.server_id).first()
    rows = DrainItem.objects.filter(pk=item.pk)
    if server is None:
        rows.change(now, state=ItemState.GONE, reason="It was deleted.")
        return True
    outlook = outlook_of(
        server,
        drain.hypervisor,
        moves_stopped=drain.moves_stopped,
        volumes=volumes_of([server.pk]).get(server.pk, ()),
        blocks=block_pools(drain.hypervisor),
    )
    if outlook.obstacle:
        _hold(rows, item, outlook, now)
    else:
        _move(drain, item, server, outlook.way, now)
    return True


def _hold(rows: DrainItemQuerySet, item: DrainItem, outlook: Outlook, now: datetime) -> None:
    """It cannot go now; whoever is blocked is looked at less often than who waits for a task."""
    is_blocked = outlook.state == ItemState.BLOCKED
    rows.change(
        now,
        state=outlook.state,
        way=outlook.way,
        reason=outlook.obstacle,
        due_at=now + timedelta(seconds=LOOK_AGAIN_S) if is_blocked else None,
    )


def _move(drain: Drain, item: DrainItem, server: Server, way: Way, now: datetime) -> None:
    _, choice = destinations(server, drain.hypervisor, way, without=item.refused)
    rows = DrainItem.objects.filter(pk=item.pk)
    if not choice.candidates:
        rows.change(
            now,
            state=ItemState.BLOCKED,
            way=way,
            destination="",
            reason=refusal(choice, item.refused),
            due_at=now + timedelta(seconds=LOOK_AGAIN_S),
        )
        return
    best = _not_busy(choice, drain.max_at_once)
    if not best:
        rows.change(
            now,
            state=ItemState.WAITING,
            way=way,
            reason=f"So many servers are coming to {choice.candidates[0].host} already.",
            due_at=now + timedelta(seconds=BUSY_S),
        )
        return
    actor = _actor(drain)
    try:
        with transaction.atomic():
            _begin(drain, server, way, best, actor, now)
    except AlreadyAtWork as error:
        # Some tasks do not show in the server's state.
        rows.change(now, state=ItemState.WAITING, way=way, reason=error.message, due_at=None)
        return
    except CloudError as error:
        _fail(rows, item, best, error.message, now)
        return
    migration = Migration.objects.filter(server_id=server.pk, request_id=actor.request_id)
    rows.change(
        now,
        state=ItemState.MOVING,
        way=way,
        destination=best,
        reason="",
        migration=migration.latest("pk"),
        request_id=actor.request_id,
        due_at=None,
    )


def _begin(drain: Drain, server: Server, way: Way, host: str, actor: Actor, now: datetime) -> None:
    if way == Way.LIVE:
        move = LiveMove(host=host, at_once=drain.max_at_once)
        live_migrate_server(server=server, move=move, actor=actor, now=now)
    else:
        migrate_server(server=server, host=host, actor=actor, now=now)
    history.explain_action(
        server_id=server.pk,
        request_id=actor.request_id,
        reason=f"Host {drain.hypervisor.name} is being drained (plan {drain.pk}).",
    )


def _not_busy(choice: Choice, limit: int) -> str:
    """The best host to which fewer servers than that are on their way; "" when there is none."""
    names = [each.host for each in choice.candidates]
    coming: dict[str, set[uuid.UUID]] = {name: set() for name in names}
    under_way = Migration.objects.filter(
        status__in=(*LIVE_UNDER_WAY, *COLD_UNDER_WAY), destination_name__in=names
    )
    items = DrainItem.objects.filter(state=ItemState.MOVING, destination__in=names)
    for name, key in [
        *under_way.values_list("destination_name", "server_id"),
        *items.values_list("destination", "server_id"),
    ]:
        coming[name].add(key)
    return next((name for name in names if len(coming[name]) < limit), "")


def _actor(drain: Drain) -> Actor:
    """Whoever had the plan start, as an administrator, in a request of its own."""
    return replace(
        system_actor(f"req-{uuid.uuid4()}"),
        user_id=drain.user_id,
        user_name=drain.user_name or "cloudportal",
    )


# The whole of it


def _note(drain: Drain, words: str) -> None:
    counts = _counts(drain, (ItemState.BLOCKED, ItemState.FAILED))
    if not words and counts:
        words = f"{counts} of its servers could not be moved yet."
    if words != drain.note:
        Drain.objects.filter(pk=drain.pk, state=DrainState.RUNNING).update(note=words)


def _counts(drain: Drain, states: Collection[ItemState]) -> int:
    return drain.items.filter(state__in=states).count()


def _finish(drain: Drain, now: datetime) -> None:
    """When nothing is left on the host, the plan is done and the host in maintenance."""
    if drain.started_at is None or now < drain.started_at + timedelta(seconds=SETTLED_S):
        return
    if drain.items.exclude(state__in=OVER).exists() or servers_of(drain.hypervisor).exists():
        return
    # Of deleted servers, something is still there while they hold their claim.
    if Allocation.objects.filter(hypervisor=drain.hypervisor_id).exists():
        return
    with transaction.atomic():
        mine = Drain.objects.filter(pk=drain.pk, state=DrainState.RUNNING)
        if not mine.update(state=DrainState.DONE, ended_at=now, note=""):
            return
        Hypervisor.objects.filter(pk=drain.hypervisor_id).update(in_maintenance=True)
        # The maintenance keeps new servers away; when it ends the host is as before.
        give_service_back(drain)
    logger.warning("Hypervisor %s is drained and in maintenance.", drain.hypervisor.name)

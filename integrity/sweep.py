"""Look at everything, keep what is not as it should be, and set safe repairs going.

Each host is looked at in a turn of its own, so that one that hangs holds up no other: the next
sweep leaves it out while its turn goes on. A finding about something that somebody is at is
neither opened nor closed: that operation decides.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection as database
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from cloudportal.errors import CloudError
from hypervisors.models import HostState, Hypervisor
from hypervisors.survey import survey
from integrity.books import books_facts
from integrity.checks import check_books, check_host
from integrity.facts import host_facts, settled_bases
from integrity.found import Found
from integrity.models import Finding, Sweep
from integrity.request_repairs import request_repairs
from integrity.states import Policy, Scope
from integrity.view import HostView

logger = logging.getLogger(__name__)

SWEEP_EVERY_S = 20.0
# A host that takes longer is looked at all the same, but the sweep ends without it.
PATIENCE_S = 15.0
PARALLEL = 8
REFRESH_EVERY = timedelta(seconds=30)
KEEP_SWEEPS = timedelta(days=1)
KEEP_FINDINGS = timedelta(days=30)


class _Turns:
    """The looks at hosts that go on in this process, and when each host's pools were read anew."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._going: dict[int, Future[None]] = {}
        self._refreshed: dict[int, datetime] = {}

    def start(self, hypervisor: Hypervisor, *, refresh: bool) -> Future[None] | None:
        """Look at a host beside the others; None while the last look at it goes on."""
        with self._lock:
            going = self._going.get(hypervisor.pk)
            if going is not None and not going.done():
                return None
            if self._pool is None:
                self._pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="integrity")
            due = refresh or self._is_refresh_due(hypervisor.pk)
            turn = self._pool.submit(_turn, hypervisor, refresh=due)
            self._going[hypervisor.pk] = turn
            return turn

    def _is_refresh_due(self, key: int) -> bool:
        now = timezone.now()
        last = self._refreshed.get(key)
        if last is not None and now - last < REFRESH_EVERY:
            return False
        self._refreshed[key] = now
        return True


_turns = _Turns()


def sweep(now: datetime) -> Sweep:
    """The timer's turn: look, note, and set the automatic repairs going."""
    row = look_at_everything(now)
    request_repairs(Finding.objects.open().filter(policy=Policy.AUTOMATIC), now=timezone.now())
    return row


def look_at_everything(
    now: datetime, *, refresh: bool = False, patience_s: float = PATIENCE_S
) -> Sweep:
    """Look at the books and at every host that is up; the findings are kept."""
    row = Sweep.objects.create(started_at=now)
    look_at_books()
    hosts = list(Hypervisor.objects.all())
    asked = [each for each in hosts if each.state == HostState.UP and not each.is_forced_down]
    turns = {each.name: _turns.start(each, refresh=refresh) for each in asked}
    wait([turn for turn in turns.values() if turn is not None], timeout=patience_s)
    answered = [name for name, turn in turns.items() if turn is not None and _is_well(turn)]
    row.hosts = answered
    row.unanswered = [each.name for each in hosts if each.name not in answered]
    row.findings = Finding.objects.open().count()
    row.finished_at = timezone.now()
    row.save()
    _forget_old(now)
    return row


def look_at_books() -> None:
    """Check what needs no host."""
    started_at = timezone.now()
    facts = books_facts(started_at=started_at)
    store(check_books(facts), scope=Scope.BOOKS, hypervisor=None, busy=facts.busy.servers)


def look_at_host(hypervisor: Hypervisor, *, refresh: bool) -> None:
    """Check one host.

    Raises:
        HostUnreachable: it does not answer; its findings stay as they were.
    """
    started_at = timezone.now()
    seen = survey(hypervisor, refresh=refresh, settled_bases=settled_bases())
    facts = host_facts(hypervisor, seen, started_at=started_at)
    found = check_host(HostView(seen, facts))
    store(found, scope=Scope.HOST, hypervisor=hypervisor, busy=facts.busy.servers)


def store(
    found: Iterable[Found],
    *,
    scope: Scope,
    hypervisor: Hypervisor | None,
    busy: Collection[UUID],
) -> None:
    """Open what is new, see again what is known, close what is gone."""
    now = timezone.now()
    by_key = {each.key: each for each in found if each.subject_id not in busy}
    rows = Finding.objects.filter(scope=scope, repaired_at=None)
    if hypervisor is not None:
        rows = rows.filter(hypervisor=hypervisor)
    if not by_key and not rows.exists():
        return  # as nearly always: no need to lock anybody out
    with transaction.atomic():
        known = {row.key: row for row in rows}
        gone = [
            row.pk for key, row in known.items() if key not in by_key and row.subject_id not in busy
        ]
        Finding.objects.filter(pk__in=gone).update(repaired_at=now)
        again = [row.pk for key, row in known.items() if key in by_key]
        Finding.objects.filter(pk__in=again).update(seen_at=now, sightings=F("sightings") + 1)
        changed = [row for key, row in known.items() if key in by_key and _update(row, by_key[key])]
        Finding.objects.bulk_update(changed, _TOLD, batch_size=200)
        Finding.objects.bulk_create(
            (_row(each, now) for key, each in by_key.items() if key not in known),
            ignore_conflicts=True,
            batch_size=200,
        )


_TOLD = ["subject", "summary", "difference", "repair", "policy", "plan", "server_id"]


def _told(each: Found) -> dict[str, object]:
    return {
        "subject": each.subject[:255],
        "summary": each.summary,
        "difference": each.difference,
        "repair": each.repair,
        "policy": each.policy,
        "plan": each.plan,
        "server_id": each.server_id,
    }


def _update(row: Finding, each: Found) -> bool:
    """Whether the same thing is found to be otherwise than before."""
    told = _told(each)
    if all(getattr(row, name) == value for name, value in told.items()):
        return False
    for name, value in told.items():
        setattr(row, name, value)
    return True


def _row(each: Found, now: datetime) -> Finding:
    return Finding(
        key=each.key,
        scope=each.scope,
        kind=each.kind,
        hypervisor_id=each.hypervisor_id,
        first_seen_at=now,
        seen_at=now,
        **_told(each),
    )


def _turn(hypervisor: Hypervisor, *, refresh: bool) -> None:
    try:
        look_at_host(hypervisor, refresh=refresh)
    except CloudError as error:
        logger.warning("%s could not be checked: %s", hypervisor.name, error.detail or error)
        raise
    finally:
        database.close()  # the thread's own


def _is_well(turn: Future[None]) -> bool:
    if not turn.done():
        return False
    error = turn.exception()
    if error is not None and not isinstance(error, CloudError):
        logger.error("A host could not be checked.", exc_info=error)
    return error is None


def _forget_old(now: datetime) -> None:
    Sweep.objects.filter(started_at__lt=now - KEEP_SWEEPS).delete()
    Finding.objects.filter(repaired_at__lt=now - KEEP_FINDINGS).delete()

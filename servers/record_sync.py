"""Keep what guests know of their servers in step with the database, seconds behind it.

What was last written into a guest is known by its digest. Each turn looks at the servers whose row
has changed since, and at a part of the rest, turn by turn at all: names of projects, networks or
ports change without touching a server's row. Nothing is lost when a turn dies or a host is away:
the digest still differs at the next one.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection as database
from django.db.models import Exists, F, OuterRef, Q

from cloudportal.errors import CloudError
from hypervisors.errors import GuestNotFound, HostUnreachable
from hypervisors.guests import GuestMetadata, refresh_metadata
from hypervisors.models import HostState, Hypervisor
from operations.models import UNFINISHED, Operation
from servers.guest_record import guest_records, record_digest
from servers.models import Server, ServerQuerySet

logger = logging.getLogger(__name__)

RECORD_EVERY_S = 5.0
# Servers looked at in a turn: so many that changed, and so many of all others.
CHANGED = 200
OTHERS = 200
PARALLEL = 4


class Round:
    """Where the walk through all servers stands; one that is lost begins anew."""

    def __init__(self) -> None:
        self.last: UUID | None = None

    def next_part(self, servers: ServerQuerySet) -> list[Server]:
        """The servers after those of the last turn, from the first one again after the end."""
        ordered = servers.order_by("pk")
        rest = ordered if self.last is None else ordered.filter(pk__gt=self.last)
        part = list(rest[:OTHERS])
        self.last = part[-1].pk if len(part) == OTHERS else None
        return part


@dataclass(frozen=True)
class _Stale:
    """A guest that is to be told what has become of its server."""

    server: Server
    record: GuestMetadata
    digest: str


_round = Round()


def sync_records(now: datetime, walk: Round = _round) -> int:
    """Do one turn; returns how many guests were written to."""
    settled = _settled()
    changed = settled.filter(Q(recorded_at=None) | ~Q(recorded_at=F("updated_at")))
    servers = {each.pk: each for each in walk.next_part(settled)}
    servers.update((each.pk, each) for each in changed.order_by("-updated_at")[:CHANGED])
    if not servers:
        return 0
    by_host: dict[int, list[_Stale]] = defaultdict(list)
    for pk, record in guest_records(list(servers.values())).items():
        server, digest = servers[pk], record_digest(record)
        if digest != server.record_digest and server.hypervisor_id is not None:
            by_host[server.hypervisor_id].append(_Stale(server, record, digest))
        elif server.recorded_at != server.updated_at:
            _note(server, digest)
    hosts = Hypervisor.objects.in_bulk(by_host)
    return _write_all([(hosts[key], stale) for key, stale in by_host.items() if key in hosts])


def _settled() -> ServerQuerySet:
    """Servers with a guest, on a host that answers, that nothing is being done to."""
    working = Operation.objects.filter(subject=OuterRef("pk"), state__in=UNFINISHED)
    servers = Server.objects.alive().defer("user_data", "personality", "sealed_admin_password")
    return servers.filter(
        ~Exists(working),
        task_state=None,
        hypervisor__state=HostState.UP,
        hypervisor__is_forced_down=False,
    )


def _write_all(work: Sequence[tuple[Hypervisor, list[_Stale]]]) -> int:
    """Side by side, so that a slow host holds up few others."""
    if not work:
        return 0
    written = 0
    with ThreadPoolExecutor(min(PARALLEL, len(work)), thread_name_prefix="records") as pool:
        for done in pool.map(_write_in_thread, work):
            for stale in done:
                _note(stale.server, stale.digest)
                written += 1
    return written


def _write_in_thread(work: tuple[Hypervisor, list[_Stale]]) -> list[_Stale]:
    try:
        return list(_write(*work))
    finally:
        database.close()  # the thread's own


def _write(host: Hypervisor, batch: Iterable[_Stale]) -> Iterable[_Stale]:
    """The guests that were written to; a host that does not answer is left alone for this turn."""
    for stale in batch:
        try:
            refresh_metadata(host, stale.server.pk, stale.record)
        except GuestNotFound:
            continue  # found and reported by those who look for missing guests
        except HostUnreachable as error:
            logger.warning("Metadata is not written on %s: %s", host.name, error.detail or error)
            return
        except CloudError as error:
            logger.warning("Metadata of %s is not written: %s", stale.server.pk, error.detail)
            continue
        yield stale


def _note(server: Server, digest: str) -> None:
    """What was written is of this row's state: a change since then shows as a difference."""
    Server.objects.filter(pk=server.pk, record_digest=server.record_digest).update(
        record_digest=digest, recorded_at=server.updated_at
    )

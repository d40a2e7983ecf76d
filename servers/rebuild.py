"""Rebuild the database from what the hosts' guests say: read side by side, written one by one.

Guests are only looked at. Whoever runs it again finds that nothing is left to do.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import DatabaseError, transaction
from django.db import connection as database

from cloudportal.errors import CloudError
from hypervisors.guests import GuestInfo, GuestMetadata
from hypervisors.models import Hypervisor
from hypervisors.read_back import note_base_images, read_guests, read_volume
from servers import set_up_rows
from servers.config_drive import read_user_data
from servers.models import Server
from servers.restore import Found, restore

logger = logging.getLogger(__name__)

PARALLEL = 8
_CONFIG = "config"


@dataclass
class HostReport:
    """What became of one host's guests; `problems` are what somebody has to look at."""

    host: str
    restored: list[str] = field(default_factory=list)
    there: int = 0
    foreign: int = 0
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass
class _Read:
    """What one host said."""

    hypervisor: Hypervisor
    report: HostReport
    found: list[Found] = field(default_factory=list)


def rebuild(
    hypervisors: Sequence[Hypervisor], *, now: datetime, dry_run: bool = False
) -> list[HostReport]:
    """Restore the servers of these hosts; a dry run says what it would do and changes nothing."""
    known = set(Server.objects.values_list("pk", flat=True))
    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="rebuild") as pool:
        reads = list(pool.map(lambda host: _read_in_thread(host, known), hypervisors))
    with _kept_if(not dry_run):
        may_unite = set_up_rows.is_unused()
        everything = [(read, found) for read in reads for found in read.found]
        # Of two hosts with the same guest, the one where it runs is right, or the newer one: where
        # a resized server was it is off, and older.
        everything.sort(
            key=lambda each: (
                each[1].info.power_state == "shutdown",
                -each[1].metadata.generation,
            )
        )
        for read, found in everything:
            _restore(read.report, found, may_unite=may_unite, now=now)
        for read in reads:
            _note_images(read, now)
    return [read.report for read in reads]


@contextmanager
def _kept_if(is_wanted: bool) -> Iterator[None]:
    """Each server is a transaction of its own, unless nothing is to be kept at all."""
    if is_wanted:
        yield
        return
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def _read_in_thread(hypervisor: Hypervisor, known: Collection[UUID]) -> _Read:
    read = _Read(hypervisor, HostReport(hypervisor.name))
    try:
        _read(read, known)
    except CloudError as error:
        read.report.problems.append(f"{error} {error.detail}".strip())
    finally:
        database.close()  # the thread's own
    return read


def _read(read: _Read, known: Collection[UUID]) -> None:
    guests = read_guests(read.hypervisor)
    read.report.foreign = guests.foreign
    for name, reason in guests.unreadable:
        read.report.problems.append(f"{name}: {reason}")
    for info, metadata in guests.ours:
        user_data = None
        if metadata.config_drive and info.uuid not in known:
            user_data = _user_data(read, info, metadata)
        read.found.append(Found(read.hypervisor, metadata, info, user_data))


def _user_data(read: _Read, info: GuestInfo, metadata: GuestMetadata) -> bytes | None:
    for disk in metadata.disks:
        if disk.role != _CONFIG:
            continue
        try:
            return read_user_data(read_volume(read.hypervisor, disk.pool, disk.volume))
        except (CloudError, ValueError) as error:
            detail = getattr(error, "detail", "")
            read.report.notes.append(f"{info.name}: no user data: {error} {detail}".strip())
    return None


def _restore(report: HostReport, found: Found, *, may_unite: bool, now: datetime) -> None:
    name = f"{found.metadata.name} ({found.info.uuid})"
    try:
        # Each of them is all or nothing; the first is right whatever becomes of the second.
        if may_unite:
            report.notes += set_up_rows.unite(found.metadata, now=now)
        done = restore(found, now=now, with_rights=True)
    except CloudError as error:
        report.problems.append(f"{name}: {error} {error.detail}".strip())
        return
    except (DatabaseError, ValueError) as error:
        logger.exception("Server %s is not restored.", found.info.uuid)
        report.problems.append(f"{name}: {error}")
        return
    report.notes += [f"{name}: {note}" for note in done.notes]
    if done.is_new:
        report.restored.append(name)
    else:
        report.there += 1


def _note_images(read: _Read, now: datetime) -> None:
    if read.report.problems and not read.found:
        return  # it does not answer
    try:
        note_base_images(read.hypervisor, now)
    except CloudError as error:
        read.report.problems.append(f"Base images: {error} {error.detail}".strip())

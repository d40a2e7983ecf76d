"""Where a resized or migrated server goes, and what is done when it does not get there."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from hypervisors.models import Hypervisor
from networks import wiring
from operations.kinds import Context
from scheduling.errors import NoValidHost
from scheduling.models import Allocation
from scheduling.place import place_server
from scheduling.request_spec import RequestSpec
from scheduling.stay import hold_just, stay_on_host
from servers.attached_volumes import attachments_of
from servers.destination import hosts_owing
from servers.models import Migration, Server
from servers.moves import COLD, UNDER_WAY, end_cold_moves, goes_to
from servers.operations.cleanup import enqueue_cleanup
from servers.operations.events import begin_event, end_event
from servers.operations.facts import server_of
from servers.operations.moving import (
    MIGRATE,
    PREPARE,
    SCHEDULE,
    migration_of,
)
from servers.states import MigrationType


def place(context: Context) -> dict[str, Any]:
    """Choose a host and claim its resources; the server's own one where no other has room."""
    migration = migration_of(context)
    if migration.source is None:
        raise NoValidHost("The server's host has been removed.")
    if migration.destination is None:
        begin_event(context, SCHEDULE)
        begin_event(context, MIGRATE)
        _choose(context, migration, migration.source)
        migration = migration_of(context)
    host = migration.destination_name
    end_event(context, MIGRATE)
    end_event(context, SCHEDULE)
    begin_event(context, PREPARE, host)
    return {"host": host}


def _choose(context: Context, migration: Migration, source: Hypervisor) -> None:
    server = server_of(context)
    spec = RequestSpec.from_json(migration.before["new_request_spec"])
    asked: dict[str, Any] = {
        "server_id": server.pk,
        "operation_id": context.operation_id,
        "request_id": context.request_id,
        "now": timezone.now(),
    }
    # What an earlier move left is still to be taken away: the server cannot come there.
    held = Allocation.objects.filter(server_id=server.pk, created_at__lt=migration.created_at)
    without = list(held.values_list("hypervisor__name", flat=True))
    without += [host.name for host in hosts_owing(server.pk)]
    wanted = dataclasses.replace(spec, wanted_host=context.params["host"])
    try:
        _refuse_bound(server)
        allocation = place_server(spec=wanted, without=[source.name, *without], **asked)
        destination = allocation.hypervisor
        rows = Migration.objects.filter(pk=migration.pk)
        rows.update(**goes_to(destination), updated_at=timezone.now())
    except NoValidHost as refusal:
        if migration.type == MigrationType.MIGRATION:
            raise
        _stay(migration, source, spec, asked, refusal)


def _refuse_bound(server: Server) -> None:
    if attachments_of(server):
        raise NoValidHost("No valid host was found. The server's volumes are on its host.")
    if server.request_spec.get("tpm"):
        raise NoValidHost("No valid host was found. The server's TPM is on its host.")


def _stay(
    migration: Migration,
    source: Hypervisor,
    spec: RequestSpec,
    asked: dict[str, Any],
    refusal: NoValidHost,
) -> None:
    with transaction.atomic():
        rows = Migration.objects.select_for_update().filter(pk=migration.pk, destination=None)
        if rows.first() is None:
            return
        try:
            stay_on_host(hypervisor=source, spec=spec, **asked)
        except NoValidHost as also:
            raise NoValidHost(f"{refusal} {also}") from also
        Migration.objects.filter(pk=migration.pk).update(
            **goes_to(source), updated_at=timezone.now()
        )


def unplace(context: Context) -> None:
    """Have the destination rid of all that came there, or hold just what the server has here."""
    migration = migration_of(context)
    destination = migration.destination or _noted_nowhere(context, migration)
    if destination is None:
        return
    if destination.pk != migration.source_id:
        # It gives the claim back, now or when the host is there.
        enqueue_cleanup(
            server_id=context.subject,
            hypervisor=destination,
            ports=wiring.port_facts(context.subject),
            request_id=context.request_id,
        )
        return
    hold_just(
        server_id=context.subject,
        hypervisor_id=destination.pk,
        spec=RequestSpec.from_json(migration.before["request_spec"]),
        now=timezone.now(),
    )


def abandon(server_id: UUID, *, request_id: str, now: datetime) -> None:
    """Book what a move that was cut short has at its destination as a debt there."""
    cut_short = Migration.objects.select_related("destination").filter(
        server_id=server_id, type__in=COLD, status__in=UNDER_WAY
    )
    for migration in cut_short:
        host = migration.destination
        if host is not None and host.pk != migration.source_id:
            enqueue_cleanup(
                server_id=server_id,
                hypervisor=host,
                ports=wiring.port_facts(server_id),
                request_id=request_id,
            )
    end_cold_moves(server_id, now=now)


def _noted_nowhere(context: Context, migration: Migration) -> Hypervisor | None:
    """A host that was claimed by a worker that died before it could say so."""
    held = Allocation.objects.select_related("hypervisor").filter(
        server_id=context.subject, created_at__gte=migration.created_at
    )
    found = held.exclude(hypervisor=migration.source).first()
    return found.hypervisor if found else None

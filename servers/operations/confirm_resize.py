"""Confirm a resize or migration: what the server was is deleted on the host where it was.

It goes forward only. A host that is away keeps nobody waiting: its part becomes a debt.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from hypervisors import cold_copy, disks, guests
from hypervisors.models import Hypervisor
from hypervisors.pools import is_one_store, shared_stores
from networks import wiring
from operations.kinds import Context, Kind, Step
from quotas.consume import hold_exactly
from scheduling.place import release_server
from scheduling.request_spec import RequestSpec
from scheduling.stay import hold_just
from servers.models import Migration, Server
from servers.moves import amounts_of
from servers.operations.cleanup import enqueue_cleanup
from servers.operations.events import begin_event, end_event
from servers.operations.facts import server_of
from servers.operations.moving import migration_of
from servers.options import pool_of
from servers.resize import CONFIRM
from servers.states import MigrationStatus, PowerState, VmState

EVENT = "compute_confirm_resize"
_OFF = (PowerState.SHUTDOWN, PowerState.CRASHED)


def begin(context: Context) -> dict[str, Any]:
    """Note what is where."""
    migration = migration_of(context)
    begin_event(context, EVENT, migration.source_name)
    Migration.objects.filter(pk=migration.pk, status=MigrationStatus.FINISHED).update(
        status=MigrationStatus.CONFIRMING, updated_at=timezone.now()
    )
    return {
        "host": migration.source_name,
        # Where the server is, nothing of another host is to go.
        "stays": migration.source_id == server_of(context).hypervisor_id,
        "keeps_beside": _keeps_beside(migration, server_of(context)),
        "ports": wiring.port_facts(context.subject),
    }


def _keeps_beside(migration: Migration, server: Server) -> bool:
    """Whether both hosts have the same files, so that the disks from before are among them."""
    source, host = migration.source, server.hypervisor
    if source is None or host is None:
        return False
    return is_one_store(source, host, pool_of(server, host).name)


def _source(context: Context) -> Hypervisor | None:
    """The host that is to be rid of the server; None where there is no other one."""
    return None if context.outputs["begin"]["stays"] else migration_of(context).source


def remove_guest(context: Context) -> None:
    """Undefine the guest that the server had there."""
    host = _source(context)
    if host is not None:
        guests.remove_guest(host, context.subject)


def delete_disks(context: Context) -> None:
    """Delete the disks that it had there."""
    host = _source(context)
    if host is not None:
        stores = shared_stores(host, server_of(context).hypervisor)
        disks.delete_disks(host, context.subject, but_in=stores)


def unplug_ports(context: Context) -> None:
    """Take its DHCP entries and filters off."""
    host = _source(context)
    if host is not None:
        wiring.unwire_ports(hypervisor=host, facts=context.outputs["begin"]["ports"])


def release_claim(context: Context) -> None:
    """Give back what it held there."""
    host = _source(context)
    if host is not None:
        release_server(server_id=context.subject, hypervisor_id=host.pk)


def drop_kept(context: Context) -> None:
    """The disks from before go that lie beside; on its own host it holds just what it is."""
    server = server_of(context)
    if server.hypervisor is None:
        return
    begun = context.outputs["begin"]
    if begun["stays"] or begun.get("keeps_beside"):
        cold_copy.drop_kept(server.hypervisor, server.pk)
    if begun["stays"]:
        hold_just(
            server_id=server.pk,
            hypervisor_id=server.hypervisor.pk,
            spec=RequestSpec.from_json(server.request_spec),
            now=timezone.now(),
        )


def end(context: Context) -> None:
    """The server is what it is now."""
    now = timezone.now()
    server = server_of(context)
    state = VmState.STOPPED if server.power_state in _OFF else VmState.ACTIVE
    with transaction.atomic():
        Server.objects.alive().filter(pk=server.pk, vm_state=VmState.RESIZED).update(
            vm_state=state, task_state=None, updated_at=now
        )
        hold_exactly(
            project_id=server.project_id,
            subject=server.pk,
            amounts=amounts_of(server.flavor),
            now=now,
            user_id=server.user_id,
        )
        Migration.objects.filter(pk=context.params["migration"]).update(
            status=MigrationStatus.CONFIRMED, updated_at=now
        )
        end_event(context, EVENT, context.outputs["begin"]["host"])


def postpone(context: Context) -> None:
    """The host is away: its part is done when it is back."""
    host = _source(context)
    if host is not None:
        enqueue_cleanup(
            server_id=context.subject,
            hypervisor=host,
            ports=context.outputs["begin"]["ports"],
            request_id=context.request_id,
        )


CONFIRM_KIND = Kind(
    CONFIRM,
    steps=[
        # No undo anywhere: nobody wants back what the server was.
        Step("begin", begin),
        Step("remove_guest", remove_guest, on_host=True),
        Step("delete_disks", delete_disks, on_host=True),
        Step("unplug_ports", unplug_ports, on_host=True),
        Step("release_claim", release_claim, on_host=True),
        Step("drop_kept", drop_kept),
        Step("end", end),
    ],
    retries=None,
    deadline_s=None,
    postpone=postpone,
    postpone_do=True,
)

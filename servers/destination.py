"""Where a server that leaves its host may go."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from hypervisors.models import Hypervisor, StoragePool
from operations.models import UNFINISHED, Operation
from scheduling.request_spec import RequestSpec
from servers.models import Server

_CLEANUP = "server.cleanup"


def spec_of_move(server: Server, *, host: str = "", is_forced: bool = False) -> RequestSpec:
    """What the server needs of its next host; a host forced at its creation binds it no more.

    With `host` it is that one, which must pass the filters unless it is forced.
    """
    spec = RequestSpec.from_json(server.request_spec)
    return replace(
        spec,
        host=host if is_forced else "",
        wanted_host="" if is_forced else host,
        kept_in=_store_of(server),
    )


def _store_of(server: Server) -> str:
    """The store that the server's disks are in; "": its host's default pool, or no files."""
    name = server.options.get("store_id", "")
    if not name:
        return ""
    rows = StoragePool.objects.filter(hypervisor=server.hypervisor_id, name=name)
    return rows.values_list("store", flat=True).first() or ""


def hosts_owing(server_id: UUID) -> list[Hypervisor]:
    """The hosts that still have to be rid of something of the server, and hold its claim.

    It cannot be put there before: what it got there would be taken away with the rest.
    """
    debts = Operation.objects.filter(
        kind=_CLEANUP, state__in=UNFINISHED, params__server=str(server_id)
    )
    keys = [params["hypervisor"] for params in debts.values_list("params", flat=True)]
    return list(Hypervisor.objects.filter(pk__in=keys))

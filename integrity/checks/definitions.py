"""Is every domain's definition the one the portal gave it, and what it keeps of its server?"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from uuid import UUID

from cloudportal.errors import CloudError
from hypervisors.models import Hypervisor
from hypervisors.survey import DomainSeen, difference_of_guest, difference_of_metadata
from integrity.facts import disks_of
from integrity.found import Found
from integrity.states import FindingKind
from integrity.view import HostView
from networks.models import Port
from networks.wiring import wired_port
from servers.guest_record import disk_records
from servers.guest_spec import guest_spec
from servers.models import Server

# What was last found to agree, by server: comparing a thousand definitions takes seconds, and
# hardly any has changed since the last sweep.
_agreed: dict[UUID, str] = {}
_AGREED_MOST = 50_000


def check(view: HostView) -> Iterator[Found]:
    """Domains and metadata that were changed by hand."""
    for server in view.facts.adopted():
        domain = view.domains.get(server.pk)
        if domain is not None and domain.xml and server.pk in view.facts.records:
            # Its disks are not ours to know: there is no pool to tell of.
            yield _metadata(server, domain, "", view)
    for server in view.settled:
        domain = view.domains.get(server.pk)
        pool = view.pool_of(server)
        if domain is None or not domain.xml or pool is None:
            continue
        if server.pk in view.facts.records:
            yield _metadata(server, domain, pool, view)
        if domain.metadata is not None:
            yield from _definition(server, domain, pool, view)


def _metadata(server: Server, domain: DomainSeen, pool: str, view: HostView) -> Found:
    wanted = view.facts.records[server.pk]
    disks = domain.metadata.disks if domain.metadata else ()
    kept = disks or disk_records(server, disks_of(server, view.facts.places(pool)))
    cells = domain.metadata.numa if domain.metadata else wanted.numa
    devices = domain.metadata.pci if domain.metadata else wanted.pci
    wanted = dataclasses.replace(wanted, disks=kept, numa=cells, pci=devices)
    difference = difference_of_metadata(wanted, domain)
    return Found(
        kind=FindingKind.METADATA_CHANGED,
        about=str(server.pk),
        subject=server.name,
        summary=f"What the domain of server {server.name} on {view.hypervisor.name} keeps of its "
        "server was changed or damaged.",
        repair="It is written anew; the guest notices nothing.",
        action="metadata.write",
        args={"pool": pool},
        server_id=server.pk,
        hypervisor_id=view.hypervisor.pk,
        difference=difference,
    )


def _definition(server: Server, domain: DomainSeen, pool: str, view: HostView) -> Iterator[Found]:
    ports = view.facts.ports.get(server.pk, ())
    state = _state(server, domain, ports, view.hypervisor)
    if _agreed.get(server.pk) == state:
        return
    difference = _difference(server, domain, pool, view)
    if not difference:
        if len(_agreed) >= _AGREED_MOST:
            _agreed.clear()
        _agreed[server.pk] = state
        return
    yield Found(
        kind=FindingKind.DOMAIN_CHANGED,
        about=str(server.pk),
        subject=server.name,
        summary=f"The definition of the domain of server {server.name} on {view.hypervisor.name} "
        "was changed by hand.",
        repair="The domain gets its definition again; a running guest has it when it next starts.",
        action="domain.define",
        args={"machine": domain.machine},
        server_id=server.pk,
        hypervisor_id=view.hypervisor.pk,
        difference=difference,
    )


def _difference(server: Server, domain: DomainSeen, pool: str, view: HostView) -> str:
    wired = [wired_port(port) for port in view.facts.ports.get(server.pk, ())]
    try:
        spec = guest_spec(
            server,
            view.hypervisor,
            disks=disks_of(server, view.facts.places(pool)),
            wired=wired,
            # It is not compared here.
            record=domain.metadata,
        )
    except CloudError:
        return ""  # the host cannot run such a guest any more, so there is nothing to compare with
    if domain.machine:
        spec = dataclasses.replace(spec, machine=domain.machine)
    return difference_of_guest(spec, domain, view.facts.log_path(pool))


def _state(server: Server, domain: DomainSeen, ports: Sequence[Port], host: Hypervisor) -> str:
    """Differs when anything that the comparison reads may."""
    digest = hashlib.blake2b(domain.xml.encode(), digest_size=16)
    digest.update(f"{server.updated_at} {host.pk} {host.inventory_at}".encode())
    for port in ports:
        digest.update(f"{port.pk} {port.revision} {port.network.revision}".encode())
    return digest.hexdigest()

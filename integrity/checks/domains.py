"""Is every server's domain on its host, once, and nobody's beside?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypervisors.survey import DomainSeen
from integrity.facts import HostFacts, disks_of
from integrity.found import Found
from integrity.states import FindingKind, Policy
from integrity.view import HostView
from servers.models import Server
from servers.power_sync import FOLLOWS, POWER
from servers.states import PowerState, VmState


def check(view: HostView) -> Iterator[Found]:
    """Missing, stray, unknown and foreign domains, and power states that differ."""
    facts = view.facts
    for server in view.settled:
        domain = view.domains.get(server.pk)
        if domain is None:
            yield from _missing(server, view)
        elif not domain.is_persistent:
            yield _unkept(server, facts)
        if domain is not None:
            yield from _power(server, domain, facts)
    for server in facts.adopted():
        domain = view.domains.get(server.pk)
        yield from _lost(server, facts) if domain is None else _power(server, domain, facts)
    for domain in view.seen.domains:
        if domain.xml and domain.uuid not in facts.servers:
            yield from _beside(domain, facts)


def _missing(server: Server, view: HostView) -> Iterator[Found]:
    pool = view.pool_of(server)
    if pool is None:
        return  # its pool is not active: nothing can be said, and nothing be done
    disks = disks_of(server, view.facts.places(pool))
    roots = [disk.volume for disk in disks if disk.role == "root"]
    if not view.volumes[pool].issuperset(roots):
        return  # with its disk it lost everything: that is the finding
    started = " and started" if server.vm_state == VmState.ACTIVE else ""
    yield Found(
        kind=FindingKind.DOMAIN_MISSING,
        about=str(server.pk),
        subject=server.name,
        summary=f"{view.hypervisor.name} does not have the domain of server {server.name}.",
        repair=f"The domain is defined again from the database{started}; its disks are there.",
        action="domain.restore",
        args={"pool": pool},
        server_id=server.pk,
        hypervisor_id=view.hypervisor.pk,
    )


def _lost(server: Server, facts: HostFacts) -> Iterator[Found]:
    yield Found(
        kind=FindingKind.DOMAIN_MISSING,
        about=str(server.pk),
        subject=server.name,
        summary=f"{facts.hypervisor.name} does not have the domain {server.adopted_name} any more, "
        f"which was adopted as server {server.name}: define it again by hand, or release the "
        "server.",
        policy=Policy.NEVER,
        server_id=server.pk,
        hypervisor_id=facts.hypervisor.pk,
    )


def _unkept(server: Server, facts: HostFacts) -> Found:
    return Found(
        kind=FindingKind.DOMAIN_MISSING,
        about=str(server.pk),
        subject=server.name,
        summary=f"The domain of server {server.name} runs on {facts.hypervisor.name}, but was "
        "undefined: it would be gone when it stops.",
        repair="The domain is defined again from the database; the guest runs on.",
        action="domain.define",
        server_id=server.pk,
        hypervisor_id=facts.hypervisor.pk,
    )


def _power(server: Server, domain: DomainSeen, facts: HostFacts) -> Iterator[Found]:
    power = POWER[domain.power_state]
    if power == server.power_state and (server.vm_state, power) not in FOLLOWS:
        return
    said = PowerState(server.power_state).label.lower()
    yield Found(
        kind=FindingKind.POWER_STATE,
        about=str(server.pk),
        subject=server.name,
        summary=f"Server {server.name} is {server.status} with the power state {said}; its guest "
        f"on {facts.hypervisor.name} is {power.label.lower()}.",
        repair="The host is looked at again, and the server's state follows.",
        action="power.follow",
        server_id=server.pk,
        hypervisor_id=facts.hypervisor.pk,
        # Events and heartbeats do this by themselves.
        is_doubtful=True,
    )


def _beside(domain: DomainSeen, facts: HostFacts) -> Iterator[Found]:
    """A domain of no server that is on this host."""
    server = facts.elsewhere.get(domain.uuid)
    is_ours = domain.is_ours and (
        domain.metadata is None or domain.metadata.server_id == str(domain.uuid)
    )
    if server is None and (not is_ours or _may_be_adopted(domain)):
        yield _foreign(domain, facts)
    elif server is not None and server.adopted_name:
        # One that was released, or stands on two hosts: whatever it carries, it is not ours.
        yield _foreign(domain, facts)
    elif server is None:
        yield _unknown(domain, facts)
    elif server.deleted_at is not None:
        yield _stray(domain, server, facts, f"Server {server.name} was deleted", "domain.remove")
    elif facts.hypervisor.pk not in facts.allocated.get(server.pk, frozenset()):
        yield from _elsewhere(domain, server, facts)


def _may_be_adopted(domain: DomainSeen) -> bool:
    """Whether somebody else made it and its mark is damaged: then it is nobody's to remove."""
    return domain.metadata is None and domain.name != Server(pk=domain.uuid).domain_name


def _foreign(domain: DomainSeen, facts: HostFacts) -> Found:
    return Found(
        kind=FindingKind.DOMAIN_FOREIGN,
        about=str(domain.uuid),
        subject=domain.name,
        summary=f"The domain {domain.name} on {facts.hypervisor.name} was not made by this portal.",
        policy=Policy.NEVER,
        hypervisor_id=facts.hypervisor.pk,
    )


def _unknown(domain: DomainSeen, facts: HostFacts) -> Found:
    where = f"The domain {domain.name} on {facts.hypervisor.name}"
    common: dict[str, Any] = {
        "kind": FindingKind.DOMAIN_UNKNOWN,
        "about": str(domain.uuid),
        "subject": domain.metadata.name if domain.metadata else domain.name,
        "server_id": domain.uuid,
        "hypervisor_id": facts.hypervisor.pk,
        "is_doubtful": True,
    }
    if domain.metadata is None:
        return Found(
            summary=f"{where} is of a server that the database does not know, and what it keeps "
            "of that server cannot be read.",
            repair="The domain is removed; its disks stay.",
            policy=Policy.ON_REQUEST,
            action="domain.remove",
            **common,
        )
    # A project of ours proves that the server is; another portal may share the host.
    is_known = domain.metadata.project_id in facts.projects
    of_whom = f"project {domain.metadata.project_name or domain.metadata.project_id}"
    return Found(
        summary=f"{where} is server {domain.metadata.name} of {of_whom}, which the database does "
        "not know.",
        repair="The server is taken into the database, from what its domain keeps of it."
        + ("" if is_known else " Its project is not known either and would be made."),
        policy=Policy.AUTOMATIC if is_known else Policy.ON_REQUEST,
        action="server.restore",
        **common,
    )


def _elsewhere(domain: DomainSeen, server: Server, facts: HostFacts) -> Iterator[Found]:
    if server.hypervisor_id is None and server.launched_at is None:
        reason = f"Server {server.name} was never built here"
        yield _stray(domain, server, facts, reason, "domain.remove")
        return
    is_safe = domain.power_state == "shutdown" and server.power_state == PowerState.RUNNING
    yield _stray(
        domain,
        server,
        facts,
        f"Server {server.name} belongs on another host",
        "domain.remove_copy",
        policy=Policy.AUTOMATIC if is_safe else Policy.ON_REQUEST,
    )


def _stray(
    domain: DomainSeen,
    server: Server,
    facts: HostFacts,
    reason: str,
    action: str,
    policy: Policy = Policy.AUTOMATIC,
) -> Found:
    how = "still there" if domain.power_state == "shutdown" else "still there, and runs"
    return Found(
        kind=FindingKind.DOMAIN_STRAY,
        about=str(domain.uuid),
        subject=server.name,
        summary=f"{reason}, and its domain on {facts.hypervisor.name} is {how}.",
        repair="The domain is switched off and removed.",
        policy=policy,
        action=action,
        server_id=server.pk,
        hypervisor_id=facts.hypervisor.pk,
    )

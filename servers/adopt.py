"""Take domains that somebody else made into a project as servers, and let them go again.

The guest notices neither. What its size is, is what counts: it takes quota and room on its host.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from flavors.create import NewFlavor, create_flavor
from flavors.errors import FlavorExists, FlavorNotFound
from flavors.find import find_flavor
from flavors.models import Flavor, FlavorAccess, FlavorQuerySet
from hypervisors.errors import GuestNotFound
from hypervisors.foreign import (
    DomainFacts,
    disk_gib,
    disk_gib_in_pool,
    domain_facts,
    foreign_domains,
)
from hypervisors.models import Hypervisor
from hypervisors.zones import zones_of
from identity import policy
from identity.actors import Actor
from identity.models import Project
from operations.enqueue import enqueue
from operations.models import UNFINISHED, Operation
from quotas.consume import consume
from scheduling.place import hold_server
from scheduling.request_spec import RequestSpec
from servers import rules as rules
from servers.action_log import record_action
from servers.begin import begin_action
from servers.errors import CannotAdopt, InvalidServerRequest
from servers.models import Adoption, Server
from servers.names import hostname_from, new_reservation_id
from servers.states import TaskState, VmState

LIST = "cloudportal:hypervisors:domains:list"
ADOPT = "cloudportal:hypervisors:domains:adopt"
ADOPT_KIND = "server.adopt"
RELEASE_KIND = "server.release"
_NAME_LENGTH = 255


@dataclass(frozen=True)
class Adoptable:
    """A domain, the smallest public flavor that it fits into, and why it cannot be adopted."""

    domain: DomainFacts
    flavor: Flavor | None
    obstacle: str

    @property
    def disk_gib(self) -> int:
        """What its disks hold."""
        return disk_gib(self.domain)


@dataclass(frozen=True, kw_only=True)
class AdoptWish:
    """Whose it is to be; without a flavor the suggested one, or one made of its size."""

    project_id: str
    flavor_id: str | None = None
    name: str | None = None


def adoptable_domains(*, hypervisor: Hypervisor, actor: Actor) -> list[Adoptable]:
    """The domains on a host that the portal did not make, by name; asks the host.

    Raises:
        HostUnreachable: the host does not answer.
        Forbidden: the actor is no administrator.
    """
    policy.require(actor, LIST)
    domains = foreign_domains(hypervisor)
    flavors = _public_flavors()
    taken = set(
        Server.objects.alive()
        .filter(pk__in=[each.uuid for each in domains])
        .values_list("pk", flat=True)
    )
    return [
        Adoptable(each, _smallest(flavors, each), obstacle(each, is_taken=each.uuid in taken))
        for each in domains
    ]


def obstacle(domain: DomainFacts, *, is_taken: bool) -> str:
    """Why the domain cannot become a server as it is now; "": it can."""
    if domain.is_ours:
        return "It carries a server's metadata already."
    if is_taken:
        return "There is a server of that id."
    if not domain.is_persistent:
        return "It is transient: define it first, or it is gone when it stops."
    if domain.is_saved:
        return "Its memory is saved on the disk: start it first, or drop what is saved."
    return ""


def adopt_domain(
    *, hypervisor: Hypervisor, domain_id: UUID, wish: AdoptWish, actor: Actor, now: datetime
) -> Server:
    """Let a domain become a server of a project; its guest is marked by and by.

    Raises:
        GuestNotFound: the host has no such domain.
        HostUnreachable: the host does not answer.
        CannotAdopt: it cannot be adopted as it is now, or is a server already.
        InvalidServerRequest: there is no such project or flavor, or the flavor is too small.
        QuotaExceeded: it does not fit into the project's limits.
        Forbidden: the actor is no administrator.
    """
    policy.require(actor, ADOPT)
    if not Project.objects.filter(pk=wish.project_id, enabled=True).exists():
        raise InvalidServerRequest(f"There is no project {wish.project_id} that is enabled.")
    domain = domain_facts(hypervisor, domain_id)
    reason = obstacle(domain, is_taken=Server.objects.alive().filter(pk=domain_id).exists())
    if reason:
        raise CannotAdopt(f"Domain {domain.name} cannot be adopted. {reason}")
    _refuse_unpaid(domain)
    try:
        with transaction.atomic():
            flavor = _flavor(domain, wish, actor, now)
            server = _write(hypervisor, domain, flavor, wish, actor, now)
            record_action([server.pk], "adopt", actor=actor, now=now)
            enqueue(ADOPT_KIND, subject=server.pk, params={}, request_id=actor.request_id, now=now)
    except IntegrityError as error:
        raise CannotAdopt(
            f"Domain {domain.name} cannot be adopted. There is a server of that id."
        ) from error
    return server


def _refuse_unpaid(domain: DomainFacts) -> None:
    """What an earlier server of that id still owes would be done to the new one."""
    owed = Operation.objects.filter(state__in=UNFINISHED, params__server=str(domain.uuid))
    if owed.exists():
        raise CannotAdopt(
            f"Domain {domain.name} cannot be adopted. Its host still owes work for an earlier "
            "server of that id."
        )


def release_server(*, server: Server, actor: Actor, now: datetime) -> None:
    """Let an adopted server go: its guest stays as it is, without our element.

    Raises:
        CannotAdopt: it was not adopted.
        InvalidState: another task is under way.
        ServerLocked: it is locked, and the actor is no administrator.
        Forbidden: the actor is no administrator.
    """
    if not server.adopted_name:
        policy.require(actor, "cloudportal:servers:release")
        raise CannotAdopt(
            f"Cannot 'release' instance {server.pk}: it was made by this cloud. Delete it instead."
        )
    begin_action(server, "release", kind=RELEASE_KIND, actor=actor, now=now)


def _public_flavors() -> list[Flavor]:
    rows = Flavor.objects.filter(is_public=True, is_disabled=False)
    return list(rows.order_by("vcpus", "ram_mib", "disk_gib", "flavorid"))


def _smallest(flavors: list[Flavor], domain: DomainFacts) -> Flavor | None:
    return next((flavor for flavor in flavors if _fits(flavor, domain)), None)


def _fits(flavor: Flavor, domain: DomainFacts) -> bool:
    # A flavor without a disk size takes whatever there is.
    has_disk = not flavor.disk_gib or flavor.disk_gib >= disk_gib(domain)
    return flavor.vcpus >= domain.vcpus and flavor.ram_mib >= domain.ram_mib and has_disk


def _flavor(domain: DomainFacts, wish: AdoptWish, actor: Actor, now: datetime) -> Flavor:
    """The one asked for, the smallest that is enough, or one made of the domain's size."""
    if wish.flavor_id is not None:
        try:
            flavor = find_flavor(flavorid=wish.flavor_id, actor=actor)
        except FlavorNotFound as error:
            raise InvalidServerRequest(error.message) from error
        if not _fits(flavor, domain):
            raise InvalidServerRequest(
                f"Flavor {flavor.name} is too small for domain {domain.name}, which has "
                f"{domain.vcpus} vCPUs, {domain.ram_mib} MiB and {disk_gib(domain)} GiB."
            )
        return flavor
    rows = FlavorQuerySet(Flavor).visible_to(wish.project_id).filter(is_disabled=False)
    ordered = rows.order_by("vcpus", "ram_mib", "disk_gib", "flavorid")
    return _smallest(list(ordered), domain) or _make_flavor(domain, wish, actor, now)


def _make_flavor(domain: DomainFacts, wish: AdoptWish, actor: Actor, now: datetime) -> Flavor:
    """A private one of just this size, shared by all that are adopted with it."""
    name = f"adopted-{domain.vcpus}-{domain.ram_mib}-{disk_gib(domain)}"
    flavor = Flavor.objects.filter(flavorid=name).first()
    if flavor is None:
        wanted = NewFlavor(
            name=name,
            flavorid=name,
            vcpus=domain.vcpus,
            ram_mib=domain.ram_mib,
            disk_gib=disk_gib(domain),
            is_public=False,
        )
        try:
            flavor = create_flavor(wanted=wanted, actor=actor, now=now)
        except FlavorExists:
            # Another adoption made it a moment ago.
            flavor = find_flavor(flavorid=name, actor=actor)
    FlavorAccess.objects.get_or_create(flavor=flavor, project_id=wish.project_id)
    return flavor


def _write(
    hypervisor: Hypervisor,
    domain: DomainFacts,
    flavor: Flavor,
    wish: AdoptWish,
    actor: Actor,
    now: datetime,
) -> Server:
    """Quota, the row, what it holds of its host, and the definition as it was."""
    consume(
        project_id=wish.project_id,
        subject=domain.uuid,
        amounts={"instances": 1, "cores": domain.vcpus, "ram": domain.ram_mib},
        now=now,
        user_id=actor.user_id,
    )
    known = Server.objects.select_for_update().filter(pk=domain.uuid).first()
    if known is not None and known.deleted_at is None:
        raise CannotAdopt(f"Domain {domain.name} cannot be adopted. It is a server already.")
    spec = RequestSpec(
        vcpus=domain.vcpus,
        ram_mib=domain.ram_mib,
        disk_gib=disk_gib_in_pool(hypervisor, domain),
        project_id=wish.project_id,
    )
    server = Server(**_fields(hypervisor, domain, flavor, wish, actor), created_at=now)
    server.request_spec = spec.to_json()
    server.updated_at = now
    # One that was released is back; its history is the same guest's.
    server.save(force_insert=known is None, force_update=known is not None)
    Adoption.objects.update_or_create(
        server=server,
        defaults={"definition": domain.definition, "adopted_at": now, "released_at": None},
    )
    hold_server(server_id=server.pk, hypervisor_id=hypervisor.pk, spec=spec, now=now)
    return server


def _fields(
    hypervisor: Hypervisor, domain: DomainFacts, flavor: Flavor, wish: AdoptWish, actor: Actor
) -> dict[str, Any]:
    name = (wish.name or domain.name)[:_NAME_LENGTH]
    return {
        "id": domain.uuid,
        "project_id": wish.project_id,
        "user_id": actor.user_id,
        "name": name,
        "hostname": hostname_from(name, domain.uuid),
        "adopted_name": domain.name,
        "vm_state": VmState.BUILDING,
        "task_state": TaskState.SPAWNING,
        # Named as the flavor is, and as large as the guest: of what it asks more, nothing is there.
        "flavor": {
            **flavor.snapshot(),
            "vcpus": domain.vcpus,
            "ram_mib": domain.ram_mib,
            "disk_gib": disk_gib(domain),
            "ephemeral_gib": 0,
            "swap_mib": 0,
            "extra_specs": {},
        },
        "hypervisor": hypervisor,
        "availability_zone": zones_of([hypervisor.pk])[hypervisor.pk],
        "reservation_id": new_reservation_id(),
        "root_device_name": _root_device(domain),
    }


def _root_device(domain: DomainFacts) -> str:
    disks = [disk.target for disk in domain.disks if disk.device == "disk" and disk.target]
    return f"/dev/{disks[0]}" if disks else ""


def find_domain(hypervisor: Hypervisor, domain_id: str) -> UUID:
    """The id in a form that hosts can be asked by.

    Raises:
        GuestNotFound: no domain has such an id.
    """
    try:
        return UUID(domain_id)
    except ValueError as error:
        raise GuestNotFound(f"The host {hypervisor.name} has no domain {domain_id}.") from error

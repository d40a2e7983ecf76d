"""Find hosts by what the wire calls them: numbers until 2.52, UUIDs from 2.53 on."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, NullIf

from cloudportal.api.microversions import Microversion, Versioned
from cloudportal.errors import Invalid
from hypervisors.errors import HypervisorNotFound
from hypervisors.models import Hypervisor, StoragePool

UUIDS = Versioned({"2.1": False, "2.53": True})
GIB = 1024**3
# What the database's keys can be.
MAX_DIGITS = 18


def hosts_with_figures() -> QuerySet[Hypervisor]:
    """All hosts, with `builds` under way, `disk_gib_available` of the default pool and `node`.

    The node is the host's own name of itself, which servers are shown with too.
    """
    pool = StoragePool.objects.filter(hypervisor=OuterRef("pk"), is_default=True).order_by()
    return Hypervisor.objects.annotate(
        node=Coalesce(NullIf("hostname", Value("")), "name"),
        builds=Count("build_slots"),
        disk_gib_available=Subquery(pool.annotate(gib=F("available") / GIB).values("gib")[:1]),
    ).order_by("pk")


def parse_uuid(text: str) -> UUID:
    """A host's id from 2.53 on.

    Raises:
        Invalid: not a UUID.
    """
    try:
        return UUID(text)
    except ValueError:
        raise Invalid(f"Invalid uuid {text}") from None


def parse_number(text: str) -> int:
    """A service's id until 2.52.

    Raises:
        Invalid: not a number, or one that no key can be.
    """
    if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS:
        return int(text)
    raise Invalid("Invalid input received: id must be an integer")


def find_host(hosts: QuerySet[Hypervisor], identifier: str, version: Microversion) -> Hypervisor:
    """The host of that id.

    Raises:
        Invalid: from 2.53 on, not a UUID.
        HypervisorNotFound: there is none.
    """
    if UUIDS.at(version):
        found = hosts.filter(uuid=parse_uuid(identifier)).first()
    elif identifier.isascii() and identifier.isdigit() and len(identifier) <= MAX_DIGITS:
        found = hosts.filter(pk=int(identifier)).first()
    else:
        found = None
    if found is None:
        raise HypervisorNotFound(f"Hypervisor with ID '{identifier}' could not be found.")
    return found


def identifier_of(hypervisor: Hypervisor, version: Microversion) -> str:
    """What the wire calls a host."""
    return str(hypervisor.uuid) if UUIDS.at(version) else str(hypervisor.pk)


def matching(hosts: QuerySet[Hypervisor], pattern: str) -> list[Hypervisor]:
    """The hosts with the text in their name.

    Raises:
        HypervisorNotFound: there is none.
    """
    by_node = Q(hostname__icontains=pattern) | Q(hostname="", name__icontains=pattern)
    found = list(hosts.filter(by_node))
    if not found:
        raise HypervisorNotFound(f"No hypervisor matching '{pattern}' could be found.")
    return found

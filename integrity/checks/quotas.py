"""Is every reservation of quota held by something that exists, and everything counted?"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from images.models import Image, ImageStatus
from images.quota import BYTES, mebibytes
from integrity.books import BooksFacts
from integrity.facts import CLOCK_MARGIN
from integrity.found import Found
from integrity.states import FindingKind, Scope
from networks.models import Network, Port, Subnet
from quotas.models import Reservation
from servers.models import Server, ServerGroup
from servers.states import VmState
from volumes.models import Snapshot, Volume

# Where a server's copy of its flavor says how much of it is counted.
_OF_FLAVOR = {"cores": "flavor__vcpus", "ram": "flavor__ram_mib"}
_OF_SERVERS = ("instances", *_OF_FLAVOR)


def check(facts: BooksFacts) -> Iterator[Found]:
    """Reservations without an owner, and owners without reservations."""
    before = facts.started_at - CLOCK_MARGIN
    alive = Server.objects.alive()
    yield from _leaked(_OF_SERVERS, alive)
    for resource, rows in _single().items():
        yield from _leaked((resource,), rows)
        yield from _uncounted(resource, rows.filter(created_at__lt=before))
    yield from _leaked((BYTES,), Image.objects.exclude(status=ImageStatus.DELETED))
    yield from _uncounted_bytes(before)
    yield from _leaked(("gigabytes",), Volume.objects.all(), Snapshot.objects.all())
    for resource in _OF_SERVERS:
        yield from _of_servers(facts, resource, alive.filter(created_at__lt=before))


def _single() -> dict[str, QuerySet[Any]]:
    """What counts once each, by resource."""
    return {
        "ports": Port.objects.all(),
        "networks": Network.objects.all(),
        "subnets": Subnet.objects.all(),
        "server_groups": ServerGroup.objects.all(),
        "images": Image.objects.exclude(status=ImageStatus.DELETED),
        "volumes": Volume.objects.all(),
        "snapshots": Snapshot.objects.all(),
    }


def _leaked(resources: Collection[str], *owners: QuerySet[Any]) -> Iterator[Found]:
    # One statement, so that both are of one moment.
    rows = Reservation.objects.filter(resource__in=resources)
    gone = rows
    for each in owners:
        gone = gone.exclude(subject__in=each.order_by().values("pk"))
    for subject, project, resource, amount in gone.values_list(
        "subject", "project_id", "resource", "amount"
    ):
        yield Found(
            kind=FindingKind.QUOTA_LEAKED,
            about=f"{resource} {subject}",
            subject=project,
            summary=f"{amount} {resource} of project {project} are held by {subject}, which does "
            "not exist.",
            repair="They are given back.",
            action="quota.release",
            args={"subject": str(subject), "resource": resource},
            scope=Scope.BOOKS,
        )


def _uncounted(resource: str, owners: QuerySet[Any]) -> Iterator[Found]:
    held = Reservation.objects.filter(resource=resource).values("subject")
    field = "owner" if resource == "images" else "project_id"
    for key, project in owners.exclude(pk__in=held).order_by().values_list("pk", field):
        yield _missing(resource, str(key), str(project), 1, None)


def _uncounted_bytes(before: datetime) -> Iterator[Found]:
    held = Reservation.objects.filter(resource=BYTES).values("subject")
    stored = Image.objects.filter(
        status__in=[ImageStatus.ACTIVE, ImageStatus.DEACTIVATED], size__gt=0, updated_at__lt=before
    )
    rows = stored.exclude(pk__in=held).order_by().values_list("pk", "owner", "size")
    for key, project, size in rows:
        yield _missing(BYTES, str(key), project, mebibytes(size or 0), None)


def _of_servers(facts: BooksFacts, resource: str, alive: QuerySet[Server]) -> Iterator[Found]:
    own = Reservation.objects.filter(subject=OuterRef("pk"), resource=resource).values("amount")
    counted = alive.order_by().annotate(counted=Coalesce(Subquery(own), 0))
    right = F(_OF_FLAVOR[resource]) if resource in _OF_FLAVOR else Value(1)
    # One that may go back to what it was holds what the larger of both sizes takes.
    counted = counted.exclude(vm_state=VmState.RESIZED)
    rows = counted.annotate(right=right).values_list("pk", "project_id", "counted", "right")
    for key, project, amount, wanted in rows:
        if amount != wanted and key not in facts.busy.servers:
            yield _missing(resource, str(key), project, int(wanted), key)


def _missing(resource: str, subject: str, project: str, amount: int, server: Any) -> Found:
    return Found(
        kind=FindingKind.QUOTA_MISSING,
        about=f"{resource} {subject}",
        subject=project,
        summary=f"{subject} is not counted with {amount} {resource} against the quota of project "
        f"{project}.",
        repair="It is counted, even above the project's limits: it exists.",
        action="quota.count",
        args={"subject": subject, "resource": resource, "amount": amount, "project": project},
        server_id=server,
        scope=Scope.BOOKS,
    )

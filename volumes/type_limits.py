"""What a project may take and has taken of each type of volumes.

No ledger rows of their own are kept: what is used is the sum of the ledger's rows over the volumes
and snapshots of the type, read while the caller holds the project's ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.db.models import Count, OuterRef, Subquery, Sum

from quotas.consume import DEFAULT_CLASS
from quotas.errors import QuotaExceeded
from quotas.models import QuotaDefault, QuotaLimit, Reservation
from quotas.resources import BY_TYPE, UNLIMITED
from volumes.models import Snapshot, Volume, VolumeType


def limit_name(resource: str, type_id: UUID) -> str:
    """The name of the limit of a resource for one type, which a new name of the type keeps."""
    return f"{resource}_{type_id}"


def wire_names() -> dict[str, str]:
    """The names of all types' limits: as clients write them → as they are kept."""
    types = VolumeType.objects.order_by("name").values_list("name", "pk")
    return {
        f"{resource}_{name}": limit_name(resource, key)
        for name, key in types
        for resource in BY_TYPE
    }


def type_usage(project_id: str, type_id: UUID | None = None) -> dict[str, int]:
    """What a project uses of each type that it has anything of, or of one type."""
    held = Reservation.objects.filter(subject=OuterRef("pk"), resource="gigabytes")
    amount = Subquery(held.values("amount")[:1])
    volumes = Volume.objects.filter(project_id=project_id)
    snapshots = Snapshot.objects.filter(project_id=project_id)
    if type_id is not None:
        volumes, snapshots = volumes.filter(type=type_id), snapshots.filter(volume__type=type_id)
    found: dict[str, int] = {}
    for resource, column, rows in (
        ("volumes", "type", volumes),
        ("snapshots", "volume__type", snapshots),
    ):
        sums = rows.annotate(held=amount).order_by().values_list(column)
        for key, count, gigabytes in sums.annotate(Count("pk"), Sum("held")):
            found[limit_name(resource, key)] = count
            name = limit_name("gigabytes", key)
            found[name] = found.get(name, 0) + (gigabytes or 0)
    return found


def check_type_limits(*, project_id: str, kind: VolumeType, added: Mapping[str, int]) -> None:
    """See that what has just been written, inside the caller's transaction, may stay.

    The caller has consumed it from the project's quota, so it holds the project's ledger.

    Raises:
        QuotaExceeded: it does not fit into the project's limits for this type.
    """
    names = {resource: limit_name(resource, kind.pk) for resource in added}
    defaults = QuotaDefault.objects.filter(class_name=DEFAULT_CLASS, resource__in=names.values())
    own = QuotaLimit.objects.filter(project_id=project_id, resource__in=names.values())
    allowed = {
        **dict(defaults.values_list("resource", "limit")),
        **dict(own.values_list("resource", "limit")),
    }
    if not allowed:
        return
    used = type_usage(project_id, kind.pk)
    exceeded = [
        resource
        for resource, name in names.items()
        if added[resource] and UNLIMITED != allowed.get(name, UNLIMITED) < used.get(name, 0)
    ]
    if exceeded:
        shown = {f"{resource}_{kind.name}": resource for resource in exceeded}
        raise QuotaExceeded(
            list(shown),
            requested={name: added[resource] for name, resource in shown.items()},
            used={
                name: used[names[resource]] - added[resource] for name, resource in shown.items()
            },
            limits={name: allowed[names[resource]] for name, resource in shown.items()},
        )

"""What administrators and clients ask about the service: limits, quotas, zones, pools, services."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from cloudportal.api.query import ANY, QuerySchema
from cloudportal.api.validation import BOOLEAN, BodySchema, closed, is_true
from hypervisors.models import HostState, StoragePool
from hypervisors.zones import zone_names, zones_of
from identity import policy
from quotas.consume import limits, usage
from quotas.resources import UNLIMITED
from volumes.api import shapes
from volumes.api.views import VolumeView, actor_of, instant, is_at
from volumes.quota import (
    class_limits,
    default_limits_shown,
    project_limits,
    project_usage,
    reset_limits,
    set_limits,
    set_limits_of_class,
)

_GIB = 1024**3
_EXTENSIONS = {
    "os-volume-actions": "VolumeActions",
    "os-admin-actions": "AdminActions",
    "os-extended-snapshot-attributes": "ExtendedSnapshotAttributes",
    "os-quota-sets": "Quotas",
    "os-quota-class-sets": "QuotaClasses",
    "os-services": "Services",
    "os-volume-transfer": "VolumeTransfer",
    "os-volume-type-access": "VolumeTypeAccess",
    "os-availability-zone": "AvailabilityZones",
    "os-types-extra-specs": "TypesExtraSpecs",
    "os-types-manage": "TypesManage",
    "os-used-limits": "UsedLimits",
    "os-vol-host-attr": "VolumeHostAttribute",
    "os-vol-tenant-attr": "VolumeTenantAttribute",
    "os-vol-image-meta": "VolumeImageMetadata",
    "scheduler-stats": "Scheduler_stats",
}
_LIMIT = {"type": ["integer", "string"], "pattern": r"^-?[0-9]{1,10}\Z", "minimum": -1}
UPDATE = BodySchema(
    closed(
        {
            "quota_set": {
                "type": "object",
                "properties": {
                    "force": {},
                    "skip_validation": BOOLEAN,
                    "tenant_id": {"type": "string"},
                },
                # Types of volumes have limits of their own, by their names.
                "additionalProperties": _LIMIT,
            }
        },
        ["quota_set"],
    )
)
UPDATE_CLASS = BodySchema(
    closed(
        {
            "quota_class_set": {
                "type": "object",
                "properties": {"class_name": {"type": "string"}},
                "additionalProperties": _LIMIT,
            }
        },
        ["quota_class_set"],
    )
)
_NO_LIMITS = {"force", "skip_validation", "tenant_id", "class_name"}


class Limits(VolumeView):
    """What a project may take and has taken."""

    @documented(
        "Show what a project may take and has taken.",
        query=QuerySchema({"project_id": ANY}),
        responses={200: shapes.LIMITS},
    )
    def get(self, request: Request) -> Response:
        """All absolute limits; there are none on the rate."""
        actor = actor_of(request)
        project_id = actor.project_id or ""
        asked = request.query_params.get("project_id")
        if asked and actor.is_admin and is_at(request, "3.39"):
            project_id = asked
        policy.require(actor, "limits_extension:used_limits", project_id=project_id)
        allowed, used = limits(project_id), usage(project_id)
        absolute = {
            "maxTotalVolumes": allowed["volumes"],
            "maxTotalSnapshots": allowed["snapshots"],
            "maxTotalVolumeGigabytes": allowed["gigabytes"],
            "maxTotalBackups": 0,
            "maxTotalBackupGigabytes": 0,
            "totalVolumesUsed": used["volumes"],
            "totalSnapshotsUsed": used["snapshots"],
            "totalGigabytesUsed": used["gigabytes"],
            "totalBackupsUsed": 0,
            "totalBackupGigabytesUsed": 0,
        }
        return Response({"limits": {"rate": [], "absolute": absolute}})


class QuotaSet(VolumeView):
    """A project's limits."""

    @documented(
        "Show the limits of a project.",
        query=QuerySchema({"usage": ANY}),
        responses={200: shapes.QUOTA_SET},
    )
    def get(self, request: Request, target_id: str) -> Response:
        """The limits, with `usage` also what is used."""
        actor = actor_of(request)
        shown = project_limits(project_id=target_id, actor=actor)
        body: dict[str, Any] = {"id": target_id}
        if is_true(request.query_params.get("usage", "false")):
            used = project_usage(project_id=target_id)
            body |= {
                name: {
                    "limit": limit,
                    "in_use": used.get(name, 0),
                    "reserved": 0,
                    **({"allocated": 0} if limit != UNLIMITED else {}),
                }
                for name, limit in shown.items()
            }
        else:
            body |= shown
        return Response({"quota_set": body})

    @documented("Set limits of a project.", request=UPDATE, responses={200: shapes.NEW_QUOTA_SET})
    def put(self, request: Request, target_id: str) -> Response:
        """Set some of them."""
        body = UPDATE.check(request.data)["quota_set"]
        shown = set_limits(
            project_id=target_id,
            wanted=_limits_in(body),
            # As in the field, where nobody asks for it less than is used may be set.
            force=is_true(body.get("skip_validation", True)),
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response({"quota_set": shown})

    @documented("Let the defaults hold for a project again.", responses={200: None})
    def delete(self, request: Request, target_id: str) -> Response:
        """Let the defaults hold again."""
        reset_limits(project_id=target_id, actor=actor_of(request))
        return Response(status=200)


def _limits_in(body: dict[str, Any]) -> dict[str, int]:
    return {name: int(value) for name, value in body.items() if name not in _NO_LIMITS}


class QuotaClass(VolumeView):
    """The limits of a class of projects; the class `default` is that of all."""

    @documented("Show the limits of a class.", responses={200: shapes.QUOTA_CLASS})
    def get(self, request: Request, class_name: str) -> Response:
        """The limits."""
        shown = class_limits(class_name=class_name, actor=actor_of(request))
        return Response({"quota_class_set": {"id": class_name, **shown}})

    @documented(
        "Set limits of a class.", request=UPDATE_CLASS, responses={200: shapes.NEW_QUOTA_CLASS}
    )
    def put(self, request: Request, class_name: str) -> Response:
        """Set some of them."""
        body = UPDATE_CLASS.check(request.data)["quota_class_set"]
        shown = set_limits_of_class(
            class_name=class_name, wanted=_limits_in(body), actor=actor_of(request)
        )
        return Response({"quota_class_set": shown})


class QuotaDefaults(VolumeView):
    """The limits of a project that has none of its own."""

    @documented(
        "Show the limits of a project that has none of its own.",
        responses={200: shapes.QUOTA_DEFAULTS},
    )
    def get(self, request: Request, target_id: str) -> Response:
        """The limits."""
        shown = default_limits_shown(project_id=target_id, actor=actor_of(request))
        return Response({"quota_set": {"id": target_id, **shown}})


class AvailabilityZones(VolumeView):
    """The zones that hosts are in."""

    @documented("List the availability zones.", responses={200: shapes.ZONES})
    def get(self, request: Request) -> Response:
        """All of them, the default one too."""
        policy.require(actor_of(request), "volume:availability_zone_list")
        names = sorted({"nova", *zone_names()})
        zones = [{"zoneName": name, "zoneState": {"available": True}} for name in names]
        return Response({"availabilityZoneInfo": zones})


class Extensions(VolumeView):
    """What the service is able to do beside its core."""

    @documented("List the extensions.", responses={200: shapes.EXTENSIONS})
    def get(self, request: Request) -> Response:
        """All of it."""
        return Response({"extensions": [_extension(*each) for each in _EXTENSIONS.items()]})


def _extension(alias: str, name: str) -> dict[str, Any]:
    updated = "2026-01-01T00:00:00+00:00"
    return {"alias": alias, "name": name, "description": name, "updated": updated, "links": []}


def _default_pools() -> list[StoragePool]:
    rows = StoragePool.objects.filter(is_default=True).select_related("hypervisor")
    return list(rows.order_by("hypervisor__name"))


class Services(VolumeView):
    """Where volumes are kept: the hosts."""

    @documented("List the places where volumes are kept.", responses={200: shapes.SERVICES})
    def get(self, request: Request) -> Response:
        """One a host."""
        policy.require(actor_of(request), "volume_extension:services:index")
        pools = _default_pools()
        zones = zones_of([pool.hypervisor_id for pool in pools])
        services = [
            {
                "binary": "cinder-volume",
                "host": f"{pool.hypervisor.name}@libvirt",
                "zone": zones[pool.hypervisor_id],
                "status": "enabled" if pool.hypervisor.is_enabled else "disabled",
                "state": "up" if pool.hypervisor.state == HostState.UP else "down",
                "updated_at": instant(pool.hypervisor.last_seen_at),
                "disabled_reason": pool.hypervisor.disabled_reason or None,
                **({"cluster": None} if is_at(request, "3.7") else {}),
            }
            for pool in pools
        ]
        return Response({"services": services})


class Pools(VolumeView):
    """The pools that volumes are made in."""

    @documented(
        "List the pools that volumes are made in.",
        query=QuerySchema({"detail": ANY}),
        responses={200: shapes.POOLS},
    )
    def get(self, request: Request) -> Response:
        """All of them, with their room where that is asked for."""
        policy.require(actor_of(request), "scheduler_extension:scheduler_stats:get_pools")
        detailed = is_true(request.query_params.get("detail", "false"))
        pools = [
            {
                "name": f"{pool.hypervisor.name}@libvirt#{pool.name}",
                **({"capabilities": _room(pool)} if detailed else {}),
            }
            for pool in _default_pools()
        ]
        return Response({"pools": pools})


def _room(pool: StoragePool) -> dict[str, Any]:
    return {
        "pool_name": pool.name,
        "volume_backend_name": "libvirt",
        "storage_protocol": "file",
        "vendor_name": "libvirt",
        "driver_version": "1",
        "total_capacity_gb": round(pool.capacity / _GIB, 2),
        "free_capacity_gb": round(pool.available / _GIB, 2),
        "allocated_capacity_gb": round(pool.allocation / _GIB, 2),
        "reserved_percentage": 0,
        "thin_provisioning_support": True,
        "multiattach": False,
        "QoS_support": False,
        "timestamp": instant(pool.hypervisor.last_seen_at),
    }

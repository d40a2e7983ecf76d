"""What the volume API answers: each body once, every key named, closed, at every microversion."""

from __future__ import annotations

from typing import Any

from cloudportal.api.microversions import Microversion, Versioned
from cloudportal.api.query import ANY, QuerySchema
from cloudportal.api.representation import (
    BOOLEAN,
    INTEGER,
    LINKS,
    NULL,
    STRING,
    array,
    mapping,
    nullable,
    record,
)

Shape = dict[str, Any]

_TEXT = nullable(STRING)
_NUMBER = {"type": "number"}
_NAMED = {"id": STRING, "name": _TEXT, "description": _TEXT}
_DATED = {"created_at": STRING, "updated_at": _TEXT}


def one(key: str, shape: Any) -> Shape:
    """A thing by itself."""
    return record({key: shape})


def page(key: str, shape: Any) -> Versioned[Shape]:
    """A page of things; from 3.45 on with their number, where that is asked for."""
    things, links = {key: array(shape)}, {f"{key}_links": LINKS}
    return Versioned(
        {"3.0": record(things, links), "3.45": record(things, {**links, "count": INTEGER})}
    )


def asked(*keys: str) -> QuerySchema:
    """The query of a list: what narrows it, the order and the page."""
    paging = ("limit", "marker", "offset", "sort", "sort_key", "sort_dir", "with_count")
    return QuerySchema(dict.fromkeys((*keys, *paging), ANY))


def grown(
    first: dict[str, Any],
    sometimes: dict[str, Any],
    later: dict[str, dict[str, Any]],
    later_for_admins: dict[str, dict[str, Any]] | None = None,
) -> Versioned[Shape]:
    """A thing to which microversions added keys, some of which only administrators see."""
    for_admins = later_for_admins or {}
    found, shown, seldom = {"3.0": record(first, sometimes)}, dict(first), dict(sometimes)
    for version in sorted({*later, *for_admins}, key=Microversion.parse):
        shown |= later.get(version, {})
        seldom |= for_admins.get(version, {})
        found[version] = record(shown, seldom)
    return Versioned(found)


SHORT_VOLUME = record({"id": STRING, "name": _TEXT, "links": LINKS})
_ATTACHED = record(
    {
        "id": STRING,
        "volume_id": STRING,
        "attachment_id": STRING,
        "server_id": _TEXT,
        "host_name": _TEXT,
        "device": STRING,
        "attached_at": _TEXT,
    }
)
VOLUME = grown(
    {
        **_NAMED,
        **_DATED,
        "status": STRING,
        "size": INTEGER,
        "availability_zone": STRING,
        "volume_type": STRING,
        "snapshot_id": _TEXT,
        "source_volid": _TEXT,
        "metadata": mapping(STRING),
        "user_id": STRING,
        "bootable": {"enum": ["true", "false"]},
        "encrypted": {"const": False},
        "replication_status": NULL,
        "consistencygroup_id": NULL,
        "multiattach": {"const": False},
        "attachments": array(_ATTACHED),
        "links": LINKS,
        "os-vol-tenant-attr:tenant_id": STRING,
    },
    {
        "volume_image_metadata": mapping(STRING),
        "os-vol-host-attr:host": _TEXT,
        "os-vol-mig-status-attr:migstat": NULL,
        "os-vol-mig-status-attr:name_id": NULL,
        "migration_status": NULL,
    },
    {
        "3.13": {"group_id": NULL},
        "3.48": {"shared_targets": {"const": False}, "service_uuid": NULL},
        "3.63": {"volume_type_id": STRING},
        "3.65": {"consumes_quota": {"const": True}},
    },
    {"3.21": {"provider_id": NULL}, "3.61": {"cluster_name": NULL}},
)
METADATA = one("metadata", mapping(STRING))
META = one("meta", mapping(STRING))
_SUMS = {"total_size": INTEGER, "total_count": INTEGER}
SUMMARY = one("volume-summary", grown(_SUMS, {}, {"3.36": {"metadata": mapping(array(STRING))}}))
RESOURCE_FILTERS = one(
    "resource_filters", array(record({"resource": STRING, "filters": array(STRING)}))
)
_SNAPSHOT = {
    **_NAMED,
    **_DATED,
    "status": STRING,
    "size": INTEGER,
    "volume_id": STRING,
    "metadata": mapping(STRING),
}
_SNAPSHOT_LATER = {
    "3.14": {"group_snapshot_id": NULL},
    "3.41": {"user_id": STRING},
    "3.65": {"consumes_quota": {"const": True}},
}
SHORT_SNAPSHOT = grown(_SNAPSHOT, {}, _SNAPSHOT_LATER)
SNAPSHOT = grown(
    {
        **_SNAPSHOT,
        "os-extended-snapshot-attributes:project_id": STRING,
        "os-extended-snapshot-attributes:progress": {"enum": ["100%", "0%"]},
    },
    {},
    _SNAPSHOT_LATER,
)
SPECS = mapping(STRING)
EXTRA_SPECS = one("extra_specs", SPECS)
ONE_SPEC = {**SPECS, "minProperties": 1, "maxProperties": 1}
TYPE = record(
    {
        **_NAMED,
        "is_public": BOOLEAN,
        "os-volume-type-access:is_public": BOOLEAN,
    },
    {"extra_specs": SPECS, "qos_specs_id": NULL},
)
TYPE_ACCESS = one(
    "volume_type_access", array(record({"volume_type_id": STRING, "project_id": STRING}))
)
DEFAULT_TYPE = record({"project_id": STRING, "volume_type_id": STRING})
_CONNECTION = record(
    {
        "driver_volume_type": {"const": "libvirt"},
        "attachment_id": STRING,
        "volume_id": STRING,
        "access_mode": {"enum": ["rw", "ro"]},
        "encrypted": {"const": False},
        "qos_specs": NULL,
    },
    {"pool": STRING, "volume": STRING},
)
_ATTACHMENT = {"id": STRING, "status": STRING, "instance": _TEXT, "volume_id": STRING}
SHORT_ATTACHMENT = record(_ATTACHMENT)
ATTACHMENT = record(
    {
        **_ATTACHMENT,
        "attached_at": _TEXT,
        "detached_at": NULL,
        "attach_mode": {"enum": ["rw", "ro"]},
        "connection_info": {"anyOf": [record({}), _CONNECTION]},
    }
)
NO_ATTACHMENTS = one("attachments", {"type": "array", "maxItems": 0})
_TRANSFER = {"id": STRING, "volume_id": STRING, "name": STRING, "links": LINKS}
_TRANSFER_LATER: dict[str, dict[str, Any]] = {
    "3.55": {"no_snapshots": BOOLEAN},
    "3.57": {
        "source_project_id": STRING,
        "destination_project_id": NULL,
        "accepted": {"const": False},
    },
}
SHORT_TRANSFER = record(_TRANSFER)
TRANSFER = grown({**_TRANSFER, "created_at": STRING}, {}, _TRANSFER_LATER)
NEW_TRANSFER = grown({**_TRANSFER, "created_at": STRING, "auth_key": STRING}, {}, _TRANSFER_LATER)
MESSAGE = record(
    {
        "id": STRING,
        "event_id": STRING,
        "user_message": STRING,
        "message_level": {"const": "ERROR"},
        "resource_type": STRING,
        "resource_uuid": STRING,
        "request_id": STRING,
        "created_at": STRING,
        "guaranteed_until": STRING,
        "links": LINKS,
    }
)
_ABSOLUTE = (
    *("maxTotalVolumes", "maxTotalSnapshots", "maxTotalVolumeGigabytes", "maxTotalBackups"),
    *("maxTotalBackupGigabytes", "totalVolumesUsed", "totalSnapshotsUsed", "totalGigabytesUsed"),
    *("totalBackupsUsed", "totalBackupGigabytesUsed"),
)
LIMITS = one(
    "limits",
    record(
        {
            "rate": {"type": "array", "maxItems": 0},
            "absolute": record(dict.fromkeys(_ABSOLUTE, INTEGER)),
        }
    ),
)
_LIMITED = (
    *("volumes", "snapshots", "gigabytes", "per_volume_gigabytes"),
    *("backups", "backup_gigabytes", "groups"),
)
_USED = record(
    {"limit": INTEGER, "in_use": INTEGER, "reserved": {"const": 0}}, {"allocated": {"const": 0}}
)


def _limits(shape: Shape, more: dict[str, Any] | None = None) -> Shape:
    """The limits of the service, and those of each type of volumes by the type's name."""
    known = record({**(more or {}), **dict.fromkeys(_LIMITED, shape)})
    of_types = {"^(volumes|snapshots|gigabytes)_": shape}
    return {**known, "patternProperties": of_types}


NEW_QUOTA_SET = one("quota_set", _limits(INTEGER))
QUOTA_DEFAULTS = one("quota_set", _limits(INTEGER, {"id": STRING}))
QUOTA_SET = one(
    "quota_set",
    {"anyOf": [_limits(INTEGER, {"id": STRING}), _limits(_USED, {"id": STRING})]},
)
QUOTA_CLASS = one("quota_class_set", _limits(INTEGER, {"id": STRING}))
NEW_QUOTA_CLASS = one("quota_class_set", _limits(INTEGER))
ZONES = one(
    "availabilityZoneInfo",
    array(record({"zoneName": STRING, "zoneState": record({"available": {"const": True}})})),
)
EXTENSIONS = one(
    "extensions",
    array(
        record(
            {
                **dict.fromkeys(("alias", "name", "description", "updated"), STRING),
                "links": {"type": "array", "maxItems": 0},
            }
        )
    ),
)
SERVICES = one(
    "services",
    array(
        grown(
            {
                "binary": {"const": "cinder-volume"},
                "host": STRING,
                "zone": STRING,
                "status": {"enum": ["enabled", "disabled"]},
                "state": {"enum": ["up", "down"]},
                "updated_at": _TEXT,
                "disabled_reason": _TEXT,
            },
            {},
            {"3.7": {"cluster": NULL}},
        )
    ),
)
_ROOM = record(
    {
        "pool_name": STRING,
        "volume_backend_name": STRING,
        "storage_protocol": STRING,
        "vendor_name": STRING,
        "driver_version": STRING,
        "total_capacity_gb": _NUMBER,
        "free_capacity_gb": _NUMBER,
        "allocated_capacity_gb": _NUMBER,
        "reserved_percentage": INTEGER,
        "thin_provisioning_support": BOOLEAN,
        "multiattach": BOOLEAN,
        "QoS_support": BOOLEAN,
        "timestamp": _TEXT,
    }
)
POOLS = one("pools", array(record({"name": STRING}, {"capabilities": _ROOM})))
_UPLOAD = {
    "id": STRING,
    "updated_at": _TEXT,
    "status": STRING,
    "display_description": _TEXT,
    "size": INTEGER,
    "volume_type": TYPE,
    "image_id": STRING,
    "container_format": STRING,
    "disk_format": STRING,
    "image_name": STRING,
}
UPLOAD = one(
    "os-volume_upload_image",
    grown(_UPLOAD, {}, {"3.1": {"visibility": STRING, "protected": BOOLEAN}}),
)
VERSIONS = one(
    "versions",
    array(
        record(
            {
                **dict.fromkeys(("id", "status", "version", "min_version", "updated"), STRING),
                "links": LINKS,
                "media-types": array(record({"base": STRING, "type": STRING})),
            }
        )
    ),
)

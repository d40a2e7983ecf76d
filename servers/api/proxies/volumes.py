"""Volumes and their snapshots in the words of the compute API, until 2.35."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict
from django.urls import URLPattern, path
from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.microversions import available
from cloudportal.api.openapi import documented, listed, wrapped
from cloudportal.api.query import NON_NEGATIVE_TEXT, QuerySchema
from cloudportal.api.representation import INTEGER, STRING, array, mapping, nullable, record
from cloudportal.api.validation import BOOLEAN, NAME, BodySchema, closed, is_true
from cloudportal.api.views import ComputeView, WireRequest
from identity import policy
from servers import rules as rules
from volumes.create import NewVolume, create_volume
from volumes.delete import delete_volume
from volumes.find import find_snapshot, find_volume, visible_snapshots, visible_volumes
from volumes.models import Snapshot, Volume
from volumes.snapshots import NewSnapshot, create_snapshot, delete_snapshot

LAST = "2.35"
MOST = 1000
_VOLUMES = "os_compute_api:os-volumes"
_TEXT = {"type": ["string", "null"], "maxLength": 255}
_SIZE = {
    "type": ["integer", "string"],
    "pattern": r"^0*[1-9][0-9]*\Z",
    "minimum": 1,
    "maximum": 2**31 - 1,
    "maxLength": 9,
}
_PAGE = QuerySchema({"limit": NON_NEGATIVE_TEXT, "offset": NON_NEGATIVE_TEXT})
CREATE_VOLUME = BodySchema(
    closed(
        {
            "volume": closed(
                {
                    "size": _SIZE,
                    "display_name": _TEXT,
                    "display_description": _TEXT,
                    "volume_type": _TEXT,
                    "metadata": {
                        "type": ["object", "null"],
                        "additionalProperties": {"type": "string", "maxLength": 255},
                    },
                    "snapshot_id": _TEXT,
                    "availability_zone": {"anyOf": [NAME, {"type": "null"}]},
                },
                ["size"],
            )
        },
        ["volume"],
    )
)
CREATE_SNAPSHOT = BodySchema(
    closed(
        {
            "snapshot": closed(
                {
                    "volume_id": {"type": "string"},
                    "display_name": _TEXT,
                    "display_description": _TEXT,
                    "force": BOOLEAN,
                },
                ["volume_id"],
            )
        },
        ["snapshot"],
    )
)
_ATTACHED = record({}, {"id": STRING, "device": STRING, "serverId": STRING, "volumeId": STRING})
VOLUME = record(
    {
        "id": STRING,
        "status": STRING,
        "size": INTEGER,
        "availabilityZone": STRING,
        "createdAt": STRING,
        "attachments": array(_ATTACHED),
        "displayName": nullable(STRING),
        "displayDescription": nullable(STRING),
        "volumeType": STRING,
        "snapshotId": nullable(STRING),
        "metadata": mapping(STRING),
    }
)
SNAPSHOT = record(
    {
        "id": STRING,
        "volumeId": STRING,
        "status": STRING,
        "size": INTEGER,
        "createdAt": STRING,
        "displayName": nullable(STRING),
        "displayDescription": nullable(STRING),
    }
)


def _volume(volume: Volume) -> dict[str, Any]:
    attached = [
        {
            "id": str(each.volume_id),
            "device": each.device,
            "serverId": str(each.server_id),
            "volumeId": str(each.volume_id),
        }
        for each in volume.attachments.all()
    ]
    return {
        "id": str(volume.pk),
        "status": volume.status,
        "size": volume.size_gib,
        "availabilityZone": volume.availability_zone,
        "createdAt": volume.created_at.strftime("%Y-%m-%dT%H:%M:%S.%f"),
        # Of one without a server there is an empty one, as the field has it.
        "attachments": attached or [{}],
        "displayName": volume.name,
        "displayDescription": volume.description,
        "volumeType": volume.type.name,
        "snapshotId": str(volume.snapshot_id) if volume.snapshot_id else None,
        "metadata": volume.metadata,
    }


def _snapshot(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "id": str(snapshot.pk),
        "volumeId": str(snapshot.volume_id),
        "status": snapshot.status,
        "size": snapshot.size_gib,
        "createdAt": snapshot.created_at.strftime("%Y-%m-%dT%H:%M:%S.%f"),
        "displayName": snapshot.name,
        "displayDescription": snapshot.description,
    }


def _require(request: WireRequest, rule: str) -> None:
    actor = request.actor
    policy.require(actor, f"{_VOLUMES}:{rule}", project_id=actor.project_id)


def _part(query: QueryDict, rows: Any) -> list[Any]:
    first = int((query.get("offset") or "0")[:9])
    limit = min(int((query.get("limit") or str(MOST))[:9]), MOST)
    return list(rows[first : first + limit])


class Volumes(ComputeView):
    """All volumes of a project."""

    verb = "list"

    @available(until=LAST)
    @documented(
        "List volumes.", query=_PAGE, responses={200: listed("volumes", VOLUME, links=None)}
    )
    def get(self, request: WireRequest) -> Response:
        """A part of them."""
        _require(request, self.verb)
        rows = visible_volumes(request.actor).select_related("type")
        page = _part(request.query, rows.prefetch_related("attachments"))
        return Response({"volumes": [_volume(each) for each in page]})


class VolumesOrNew(Volumes):
    """All volumes of a project, and the wish for another."""

    @available(until=LAST)
    @documented(
        "Make a volume.",
        request=CREATE_VOLUME,
        responses={200: wrapped("volume", VOLUME)},
    )
    def post(self, request: WireRequest) -> Response:
        """Make one."""
        _require(request, "create")
        body = CREATE_VOLUME.check(request.data)["volume"]
        wanted = NewVolume(
            size_gib=int(body["size"]),
            name=body.get("display_name"),
            description=body.get("display_description"),
            type_name=body.get("volume_type"),
            zone=body.get("availability_zone") or "",
            snapshot_id=body.get("snapshot_id"),
            metadata=body.get("metadata") or {},
        )
        made = create_volume(wanted=wanted, actor=request.actor, now=timezone.now())
        return Response({"volume": _volume(find_volume(actor=request.actor, volume_id=made.pk))})


class VolumesDetail(Volumes):
    """All volumes of a project, with everything about them: it is the same here."""

    verb = "detail"


class OneVolume(ComputeView):
    """One volume."""

    @available(until=LAST)
    @documented("Show a volume.", query=_PAGE, responses={200: wrapped("volume", VOLUME)})
    def get(self, request: WireRequest, key: str) -> Response:
        """All that is known of it."""
        _require(request, "show")
        return Response({"volume": _volume(find_volume(actor=request.actor, volume_id=key))})

    @available(until=LAST)
    @documented("Delete a volume.", responses={202: None})
    def delete(self, request: WireRequest, key: str) -> Response:
        """Delete it."""
        _require(request, "delete")
        volume = find_volume(actor=request.actor, volume_id=key)
        delete_volume(volume=volume, cascade=False, actor=request.actor, now=timezone.now())
        return Response(status=202)


class Snapshots(ComputeView):
    """All snapshots of a project."""

    verb = "list"

    @available(until=LAST)
    @documented(
        "List snapshots.", query=_PAGE, responses={200: listed("snapshots", SNAPSHOT, links=None)}
    )
    def get(self, request: WireRequest) -> Response:
        """A part of them."""
        _require(request, f"snapshots:{self.verb}")
        page = _part(request.query, visible_snapshots(request.actor))
        return Response({"snapshots": [_snapshot(each) for each in page]})


class SnapshotsOrNew(Snapshots):
    """All snapshots of a project, and the wish for another."""

    @available(until=LAST)
    @documented(
        "Make a snapshot.",
        request=CREATE_SNAPSHOT,
        responses={200: wrapped("snapshot", SNAPSHOT)},
    )
    def post(self, request: WireRequest) -> Response:
        """Make one."""
        _require(request, "snapshots:create")
        body = CREATE_SNAPSHOT.check(request.data)["snapshot"]
        made = create_snapshot(
            volume=find_volume(actor=request.actor, volume_id=body["volume_id"]),
            wanted=NewSnapshot(
                name=body.get("display_name"),
                description=body.get("display_description"),
                force=is_true(body.get("force", False)),
            ),
            actor=request.actor,
            now=timezone.now(),
        )
        return Response({"snapshot": _snapshot(made)})


class SnapshotsDetail(Snapshots):
    """All snapshots of a project, with everything about them: it is the same here."""

    verb = "detail"


class OneSnapshot(ComputeView):
    """One snapshot."""

    @available(until=LAST)
    @documented("Show a snapshot.", query=_PAGE, responses={200: wrapped("snapshot", SNAPSHOT)})
    def get(self, request: WireRequest, key: str) -> Response:
        """All that is known of it."""
        _require(request, "snapshots:show")
        snapshot = find_snapshot(actor=request.actor, snapshot_id=key)
        return Response({"snapshot": _snapshot(snapshot)})

    @available(until=LAST)
    @documented("Delete a snapshot.", responses={202: None})
    def delete(self, request: WireRequest, key: str) -> Response:
        """Delete it."""
        _require(request, "snapshots:delete")
        snapshot = find_snapshot(actor=request.actor, snapshot_id=key)
        delete_snapshot(snapshot=snapshot, actor=request.actor, now=timezone.now())
        return Response(status=202)


def routes() -> list[URLPattern]:
    """All of them."""
    found = []
    for prefix, (many, detail, one) in {
        "os-volumes": (VolumesOrNew, VolumesDetail, OneVolume),
        "os-snapshots": (SnapshotsOrNew, SnapshotsDetail, OneSnapshot),
    }.items():
        found += [
            path(prefix, many.as_view()),
            path(f"{prefix}/detail", detail.as_view()),
            path(f"{prefix}/<str:key>", one.as_view()),
        ]
    return found

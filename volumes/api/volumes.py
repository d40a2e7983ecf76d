"""Volumes over HTTP: list, create, show, change, delete, and their metadata."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.microversions import Versioned
from cloudportal.api.openapi import documented
from cloudportal.api.query import ANY, QuerySchema
from cloudportal.api.validation import BodySchema, closed
from cloudportal.api.views import WireRequest
from cloudportal.errors import Invalid
from volumes.api import shapes
from volumes.api.filters import Filters
from volumes.api.representation import short_volume, volume_body
from volumes.api.views import (
    DESCRIPTION,
    METADATA,
    NAME,
    NAME_COLUMN,
    SIZE,
    Listing,
    VolumeView,
    actor_of,
    loose,
    wants_all,
)
from volumes.create import NewVolume, create_volume
from volumes.delete import delete_volume
from volumes.errors import MetadataNotFound
from volumes.find import find_volume, visible_volumes
from volumes.models import Volume
from volumes.update import remove_metadata, set_metadata, update_volume

_REFERENCE = {"type": ["string", "null"]}
_CREATE: dict[str, Any] = {
    "name": NAME,
    "display_name": NAME,
    "description": DESCRIPTION,
    "display_description": DESCRIPTION,
    "size": {**SIZE, "type": ["integer", "string", "null"]},
    "availability_zone": {"type": ["string", "null"], "maxLength": 255},
    "volume_type": _REFERENCE,
    "imageRef": _REFERENCE,
    "image_id": _REFERENCE,
    "snapshot_id": _REFERENCE,
    "source_volid": _REFERENCE,
    "metadata": {**METADATA, "type": ["object", "null"]},
    "multiattach": {"type": ["boolean", "string", "null"]},
    "consistencygroup_id": {"type": "null"},
    "group_id": {"type": "null"},
    "backup_id": {"type": "null"},
}
_HINTS = {"OS-SCH-HNT:scheduler_hints": {"type": ["object", "null"]}}
CREATE = Versioned(
    {
        "3.0": loose("volume", _CREATE),
        "3.53": BodySchema(closed({"volume": closed(_CREATE), **_HINTS}, ["volume"])),
    }
)
UPDATE = loose(
    "volume",
    {
        "name": NAME,
        "display_name": NAME,
        "description": DESCRIPTION,
        "display_description": DESCRIPTION,
        "metadata": METADATA,
    },
)
METADATA_BODY = BodySchema(closed({"metadata": METADATA}, ["metadata"]))
META_BODY = BodySchema(
    closed({"meta": {**METADATA, "minProperties": 1, "maxProperties": 1}}, ["meta"])
)
LISTING = Listing(
    "volumes",
    {
        "id": "id",
        "name": NAME_COLUMN,
        "display_name": NAME_COLUMN,
        "size": "size_gib",
        "status": "status",
        "created_at": "created_at",
        "bootable": "is_bootable",
        "availability_zone": "availability_zone",
    },
)
FILTERS = Filters(
    texts={
        "name": "name",
        "display_name": "name",
        "status": "status",
        "user_id": "user_id",
        "description": "description",
        "availability_zone": "availability_zone",
    },
    ids={"id": "id", "snapshot_id": "snapshot_id", "source_volid": "source_volume_id",
         "volume_type_id": "type_id", "image_id": "image_id"},
    flags={"bootable": "is_bootable"},
    objects={"metadata": "metadata", "image_metadata": "image_metadata",
             "glance_metadata": "image_metadata"},
    absent={"encrypted": "false", "multiattach": "false", "migration_status": "none",
            "group_id": "none", "consistencygroup_id": "none", "consumes_quota": "true",
            "replication_status": "none"},
    has_updates=True,
)  # fmt: skip


_QUERY = shapes.asked("all_tenants", "all_projects", "project_id", "volume_type", *FILTERS.names)


def _wanted(request: Request) -> QuerySet[Volume]:
    query = request.query_params
    rows = visible_volumes(actor_of(request), all_projects=wants_all(query))
    rows = FILTERS.applied(rows, request)
    project_id = query.get("project_id", query.get("tenant_id"))
    if project_id and actor_of(request).is_admin:
        rows = rows.filter(project_id=project_id)
    if "volume_type" in query and actor_of(request).is_admin:
        rows = rows.filter(type__name=query["volume_type"])
    return rows


class Volumes(VolumeView):
    """All volumes of a project."""

    @documented(
        "List volumes.", query=_QUERY, responses={200: shapes.page("volumes", shapes.SHORT_VOLUME)}
    )
    def get(self, request: Request) -> Response:
        """A page of them."""
        rows = _wanted(request)
        return Response(LISTING.body(self, request, rows, lambda row: short_volume(self, row)))

    @documented(
        "Create a volume.", request=CREATE, responses={202: shapes.one("volume", shapes.VOLUME)}
    )
    def post(self, request: WireRequest) -> Response:
        """Make one.

        Raises:
            Invalid: what is asked for is not offered.
        """
        body = CREATE.at(request.microversion).check(request.data)["volume"]
        if body.get("multiattach") in {True, "true", "True"}:
            raise Invalid("multiattach parameter has been removed. The default behavior is to use "
                          "multiattach enabled volume types.")  # fmt: skip
        size = body.get("size")
        wanted = NewVolume(
            size_gib=None if size is None else int(size),
            name=body.get("name", body.get("display_name")),
            description=body.get("description", body.get("display_description")),
            type_name=body.get("volume_type"),
            zone=body.get("availability_zone") or "",
            image_id=body.get("imageRef") or body.get("image_id"),
            snapshot_id=body.get("snapshot_id"),
            source_volume_id=body.get("source_volid"),
            metadata=_texts(body.get("metadata") or {}),
        )
        volume = create_volume(wanted=wanted, actor=actor_of(request), now=timezone.now())
        fresh = find_volume(actor=actor_of(request), volume_id=volume.pk)
        return Response({"volume": volume_body(self, request, fresh)}, status=202)


class VolumesDetail(VolumeView):
    """The same with all that is known of each."""

    @documented(
        "List volumes with details.",
        query=_QUERY,
        responses={200: shapes.page("volumes", shapes.VOLUME)},
    )
    def get(self, request: Request) -> Response:
        """A page of them."""
        rows = _wanted(request)
        rows = rows.select_related("type", "hypervisor").prefetch_related("attachments")
        return Response(
            LISTING.body(self, request, rows, lambda row: volume_body(self, request, row))
        )


class OneVolume(VolumeView):
    """One volume."""

    @documented("Show a volume.", responses={200: shapes.one("volume", shapes.VOLUME)})
    def get(self, request: Request, volume_id: str) -> Response:
        """All that is known of it."""
        volume = find_volume(actor=actor_of(request), volume_id=volume_id)
        return Response({"volume": volume_body(self, request, volume)})

    @documented(
        "Change a volume.", request=UPDATE, responses={200: shapes.one("volume", shapes.VOLUME)}
    )
    def put(self, request: Request, volume_id: str) -> Response:
        """Set name, description or metadata."""
        body = UPDATE.check(request.data)["volume"]
        volume = find_volume(actor=actor_of(request), volume_id=volume_id)
        changes: dict[str, Any] = {
            column: body[key]
            for column in ("name", "description")
            for key in (f"display_{column}", column)
            if key in body
        }
        if "metadata" in body:
            changes["metadata"] = _texts(body["metadata"])
        update_volume(volume=volume, changes=changes, actor=actor_of(request), now=timezone.now())
        return self.get(request, volume_id)

    @documented("Delete a volume.", query=QuerySchema({"cascade": ANY}), responses={202: None})
    def delete(self, request: Request, volume_id: str) -> Response:
        """Delete it."""
        cascade = request.query_params.get("cascade", "").lower() in {"true", "1", "yes"}
        delete_volume(
            volume=find_volume(actor=actor_of(request), volume_id=volume_id, rule="volume:delete"),
            cascade=cascade,
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response(status=202)


class VolumeMetadata(VolumeView):
    """A volume's metadata."""

    @documented("List the metadata of a volume.", responses={200: shapes.METADATA})
    def get(self, request: Request, volume_id: str) -> Response:
        """All keys and values."""
        rule = "volume:get_volume_metadata"
        volume = find_volume(actor=actor_of(request), volume_id=volume_id, rule=rule)
        return Response({"metadata": volume.metadata})

    @documented(
        "Add metadata to a volume.", request=METADATA_BODY, responses={200: shapes.METADATA}
    )
    def post(self, request: Request, volume_id: str) -> Response:
        """Merge into what is there."""
        return self._set(request, volume_id, merge=True)

    @documented(
        "Replace the metadata of a volume.", request=METADATA_BODY, responses={200: shapes.METADATA}
    )
    def put(self, request: Request, volume_id: str) -> Response:
        """Replace everything."""
        return self._set(request, volume_id, merge=False)

    def _set(self, request: Request, volume_id: str, *, merge: bool) -> Response:
        body = METADATA_BODY.check(request.data)
        found = set_metadata(
            volume=find_volume(actor=actor_of(request), volume_id=volume_id),
            metadata=_texts(body["metadata"]),
            merge=merge,
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response({"metadata": found})


class VolumeMetadataItem(VolumeView):
    """One key of a volume's metadata."""

    @documented("Show a key of the metadata of a volume.", responses={200: shapes.META})
    def get(self, request: Request, volume_id: str, key: str) -> Response:
        """Its value.

        Raises:
            MetadataNotFound: there is none.
        """
        rule = "volume:get_volume_metadata"
        volume = find_volume(actor=actor_of(request), volume_id=volume_id, rule=rule)
        if key not in volume.metadata:
            raise MetadataNotFound.of(volume.pk, key)
        return Response({"meta": {key: volume.metadata[key]}})

    @documented(
        "Set a key of the metadata of a volume.", request=META_BODY, responses={200: shapes.META}
    )
    def put(self, request: Request, volume_id: str, key: str) -> Response:
        """Set its value.

        Raises:
            Invalid: the body is about another key.
        """
        meta = META_BODY.check(request.data)["meta"]
        if list(meta) != [key]:
            raise Invalid("Request body and URI mismatch")
        set_metadata(
            volume=find_volume(actor=actor_of(request), volume_id=volume_id),
            metadata=_texts(meta),
            merge=True,
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response({"meta": _texts(meta)})

    @documented("Delete a key of the metadata of a volume.", responses={200: None})
    def delete(self, request: Request, volume_id: str, key: str) -> Response:
        """Take it out."""
        remove_metadata(
            volume=find_volume(actor=actor_of(request), volume_id=volume_id),
            key=key,
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response(status=200)


def _texts(metadata: dict[str, Any]) -> dict[str, str]:
    return {key: "" if value is None else value for key, value in metadata.items()}

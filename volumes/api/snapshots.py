"""Snapshots over HTTP."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from cloudportal.api.validation import BOOLEAN, BodySchema, closed, is_true
from cloudportal.errors import Invalid
from volumes.api import shapes
from volumes.api.filters import Filters
from volumes.api.representation import snapshot_body
from volumes.api.views import (
    DESCRIPTION,
    METADATA,
    NAME,
    NAME_COLUMN,
    Listing,
    VolumeView,
    actor_of,
    is_at,
    loose,
    wants_all,
)
from volumes.errors import MetadataNotFound
from volumes.find import find_snapshot, find_volume, visible_snapshots
from volumes.snapshots import (
    NewSnapshot,
    create_snapshot,
    delete_snapshot,
    force_delete_snapshot,
    reset_snapshot,
    set_snapshot_metadata,
    update_snapshot,
)
from volumes.states import SnapshotStatus

_NAMES: dict[str, Any] = {
    "name": NAME,
    "display_name": NAME,
    "description": DESCRIPTION,
    "display_description": DESCRIPTION,
}
CREATE = loose(
    "snapshot",
    {
        **_NAMES,
        "volume_id": {"type": "string"},
        "force": {**BOOLEAN, "enum": [*BOOLEAN["enum"], None]},
        "metadata": {**METADATA, "type": ["object", "null"]},
    },
    ("volume_id",),
)
UPDATE = loose("snapshot", _NAMES)
METADATA_BODY = BodySchema(closed({"metadata": METADATA}, ["metadata"]))
META_BODY = BodySchema(
    closed({"meta": {**METADATA, "minProperties": 1, "maxProperties": 1}}, ["meta"])
)
ACTION = BodySchema(
    closed(
        {
            "os-reset_status": closed(
                {"status": {"enum": [SnapshotStatus.AVAILABLE.value, SnapshotStatus.ERROR.value]}},
                ["status"],
            ),
            "os-force_delete": {"type": ["object", "null"], "maxProperties": 0},
        },
        minProperties=1,
        maxProperties=1,
    )
)
FILTERS = Filters(
    texts={"name": "name", "display_name": "name", "status": "status", "user_id": "user_id",
           "description": "description"},
    ids={"id": "id", "volume_id": "volume_id"},
    objects={"metadata": "metadata"},
    absent={"group_snapshot_id": "none", "cgsnapshot_id": "none", "consumes_quota": "true"},
    has_updates=True,
)  # fmt: skip
LISTING = Listing(
    "snapshots",
    {"id": "id", "name": NAME_COLUMN, "display_name": NAME_COLUMN, "created_at": "created_at",
     "status": "status", "volume_id": "volume_id", "volume_size": "size_gib"},
)  # fmt: skip


_QUERY = shapes.asked("all_tenants", "all_projects", "project_id", *FILTERS.names)


def _page(view: VolumeView, request: Request, *, detailed: bool) -> Response:
    query = request.query_params
    rows = visible_snapshots(actor_of(request), all_projects=wants_all(query))
    rows = FILTERS.applied(rows, request)
    if query.get("project_id") and actor_of(request).is_admin:
        rows = rows.filter(project_id=query["project_id"])

    def show(row: Any) -> dict[str, Any]:
        return snapshot_body(request, row, detailed=detailed)

    return Response(LISTING.body(view, request, rows, show))


class Snapshots(VolumeView):
    """All snapshots of a project."""

    @documented(
        "List snapshots.",
        query=_QUERY,
        responses={200: shapes.page("snapshots", shapes.SHORT_SNAPSHOT)},
    )
    def get(self, request: Request) -> Response:
        """A page of them."""
        return _page(self, request, detailed=False)

    @documented(
        "Create a snapshot.",
        request=CREATE,
        responses={202: shapes.one("snapshot", shapes.SHORT_SNAPSHOT)},
    )
    def post(self, request: Request) -> Response:
        """Make one; a volume in use is copied unless the body says not to force.

        Before 3.66 the field's service needs `force: true` for that. But clients that see 3.66 on
        offer leave the field out, and may still ask at 3.65, so its absence is no refusal here.

        Raises:
            Invalid: from 3.66 on nobody may ask not to force.
        """
        body = CREATE.check(request.data)["snapshot"]
        force = body.get("force") is None or is_true(body["force"])
        if is_at(request, "3.66") and not force:
            raise Invalid("Invalid input received: force may not be false from 3.66 on.")
        snapshot = create_snapshot(
            volume=find_volume(actor=actor_of(request), volume_id=body["volume_id"]),
            wanted=NewSnapshot(
                name=body.get("name", body.get("display_name")),
                description=body.get("description", body.get("display_description")),
                force=force,
                metadata=_texts(body.get("metadata") or {}),
            ),
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response({"snapshot": snapshot_body(request, snapshot, detailed=False)}, status=202)


class SnapshotsDetail(VolumeView):
    """The same with all that is known of each."""

    @documented(
        "List snapshots with details.",
        query=_QUERY,
        responses={200: shapes.page("snapshots", shapes.SNAPSHOT)},
    )
    def get(self, request: Request) -> Response:
        """A page of them."""
        return _page(self, request, detailed=True)


class OneSnapshot(VolumeView):
    """One snapshot."""

    @documented("Show a snapshot.", responses={200: shapes.one("snapshot", shapes.SNAPSHOT)})
    def get(self, request: Request, snapshot_id: str) -> Response:
        """All that is known of it."""
        snapshot = find_snapshot(actor=actor_of(request), snapshot_id=snapshot_id)
        return Response({"snapshot": snapshot_body(request, snapshot)})

    @documented(
        "Change a snapshot.",
        request=UPDATE,
        responses={200: shapes.one("snapshot", shapes.SNAPSHOT)},
    )
    def put(self, request: Request, snapshot_id: str) -> Response:
        """Set name or description."""
        body = UPDATE.check(request.data)["snapshot"]
        changes = {
            column: body[key]
            for column in ("name", "description")
            for key in (f"display_{column}", column)
            if key in body
        }
        snapshot = find_snapshot(actor=actor_of(request), snapshot_id=snapshot_id)
        update_snapshot(
            snapshot=snapshot, changes=changes, actor=actor_of(request), now=timezone.now()
        )
        return self.get(request, snapshot_id)

    @documented("Delete a snapshot.", responses={202: None})
    def delete(self, request: Request, snapshot_id: str) -> Response:
        """Delete it."""
        snapshot = find_snapshot(
            actor=actor_of(request), snapshot_id=snapshot_id, rule="volume:delete_snapshot"
        )
        delete_snapshot(snapshot=snapshot, actor=actor_of(request), now=timezone.now())
        return Response(status=202)


class SnapshotMetadata(VolumeView):
    """A snapshot's metadata."""

    @documented("List the metadata of a snapshot.", responses={200: shapes.METADATA})
    def get(self, request: Request, snapshot_id: str) -> Response:
        """All keys and values."""
        snapshot = find_snapshot(actor=actor_of(request), snapshot_id=snapshot_id)
        return Response({"metadata": snapshot.metadata})

    @documented(
        "Add metadata to a snapshot.", request=METADATA_BODY, responses={200: shapes.METADATA}
    )
    def post(self, request: Request, snapshot_id: str) -> Response:
        """Merge into what is there."""
        return self._set(request, snapshot_id, merge=True)

    @documented(
        "Replace the metadata of a snapshot.",
        request=METADATA_BODY,
        responses={200: shapes.METADATA},
    )
    def put(self, request: Request, snapshot_id: str) -> Response:
        """Replace everything."""
        return self._set(request, snapshot_id, merge=False)

    def _set(self, request: Request, snapshot_id: str, *, merge: bool) -> Response:
        body = METADATA_BODY.check(request.data)
        snapshot = find_snapshot(actor=actor_of(request), snapshot_id=snapshot_id)
        found = {**(snapshot.metadata if merge else {}), **_texts(body["metadata"])}
        set_snapshot_metadata(
            snapshot=snapshot, metadata=found, actor=actor_of(request), now=timezone.now()
        )
        return Response({"metadata": found})


class SnapshotMetadataItem(VolumeView):
    """One key of a snapshot's metadata."""

    @documented("Show a key of the metadata of a snapshot.", responses={200: shapes.META})
    def get(self, request: Request, snapshot_id: str, key: str) -> Response:
        """Its value.

        Raises:
            MetadataNotFound: there is none.
        """
        snapshot = find_snapshot(actor=actor_of(request), snapshot_id=snapshot_id)
        if key not in snapshot.metadata:
            raise MetadataNotFound(f"Snapshot {snapshot.pk} has no metadata with key {key}.")
        return Response({"meta": {key: snapshot.metadata[key]}})

    @documented(
        "Set a key of the metadata of a snapshot.", request=META_BODY, responses={200: shapes.META}
    )
    def put(self, request: Request, snapshot_id: str, key: str) -> Response:
        """Set its value.

        Raises:
            Invalid: the body is about another key.
        """
        meta = META_BODY.check(request.data)["meta"]
        if list(meta) != [key]:
            raise Invalid("Request body and URI mismatch")
        snapshot = find_snapshot(actor=actor_of(request), snapshot_id=snapshot_id)
        found = {**snapshot.metadata, **_texts(meta)}
        set_snapshot_metadata(
            snapshot=snapshot, metadata=found, actor=actor_of(request), now=timezone.now()
        )
        return Response({"meta": _texts(meta)})

    @documented("Delete a key of the metadata of a snapshot.", responses={200: None})
    def delete(self, request: Request, snapshot_id: str, key: str) -> Response:
        """Take it out.

        Raises:
            MetadataNotFound: there is none.
        """
        snapshot = find_snapshot(actor=actor_of(request), snapshot_id=snapshot_id)
        if key not in snapshot.metadata:
            raise MetadataNotFound(f"Snapshot {snapshot.pk} has no metadata with key {key}.")
        left = {name: value for name, value in snapshot.metadata.items() if name != key}
        set_snapshot_metadata(
            snapshot=snapshot, metadata=left, actor=actor_of(request), now=timezone.now()
        )
        return Response(status=200)


class SnapshotActions(VolumeView):
    """Actions on a snapshot."""

    @documented(
        "Set the status of a snapshot, or delete it whatever its status.",
        request=ACTION,
        responses={202: None},
    )
    def post(self, request: Request, snapshot_id: str) -> Response:
        """Set the status by hand, or delete it whatever its status."""
        actor, now = actor_of(request), timezone.now()
        snapshot = find_snapshot(actor=actor, snapshot_id=snapshot_id)
        body = ACTION.check(request.data)
        if "os-force_delete" in body:
            force_delete_snapshot(snapshot=snapshot, actor=actor, now=now)
        else:
            status = body["os-reset_status"]["status"]
            reset_snapshot(snapshot=snapshot, status=status, actor=actor, now=now)
        return Response(status=202)


def _texts(metadata: dict[str, Any]) -> dict[str, str]:
    return {key: "" if value is None else value for key, value in metadata.items()}

"""What there is in all, and by what lists are narrowed down, over HTTP."""

from __future__ import annotations

from django.db.models import Count, Sum
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from cloudportal.api.query import ANY, QuerySchema
from cloudportal.errors import Invalid
from volumes.api import messages, shapes, snapshots, transfers, volumes
from volumes.api.views import VolumeView, actor_of, is_at, wants_all
from volumes.find import visible_volumes

_RESOURCES = {
    "message": messages.FILTERS,
    "snapshot": snapshots.FILTERS,
    "transfer": transfers.FILTERS,
    "volume": volumes.FILTERS,
}


class VolumeSummary(VolumeView):
    """How many volumes a project has, and how large they are."""

    @documented(
        "Sum up the volumes.",
        query=QuerySchema({"all_tenants": ANY}),
        responses={200: shapes.SUMMARY},
    )
    def get(self, request: Request) -> Response:
        """The sums; from 3.36 on all metadata, too."""
        everything = wants_all(request.query_params)
        rows = visible_volumes(actor_of(request), all_projects=everything).order_by()
        sums = rows.aggregate(count=Count("pk"), size=Sum("size_gib"))
        body = {"total_size": sums["size"] or 0, "total_count": sums["count"]}
        if is_at(request, "3.36"):
            found: dict[str, set[str]] = {}
            for metadata in rows.exclude(metadata={}).values_list("metadata", flat=True).iterator():
                for key, value in metadata.items():
                    found.setdefault(key, set()).add(value)
            body["metadata"] = {key: sorted(values) for key, values in sorted(found.items())}
        return Response({"volume-summary": body})


class ResourceFilters(VolumeView):
    """The names of the filters of lists."""

    @documented(
        "List the filters of lists.",
        query=QuerySchema({"resource": ANY}),
        responses={200: shapes.RESOURCE_FILTERS},
    )
    def get(self, request: Request) -> Response:
        """Those of all kinds of things, or of one.

        Raises:
            Invalid: there is no such kind.
        """
        wanted = request.query_params.get("resource")
        if wanted is not None and wanted not in _RESOURCES:
            raise Invalid(f"Invalid input received: there is no resource {wanted[:64]}.")
        shown = [
            {"resource": name, "filters": filters.names}
            for name, filters in _RESOURCES.items()
            if wanted in {None, name}
        ]
        return Response({"resource_filters": shown})

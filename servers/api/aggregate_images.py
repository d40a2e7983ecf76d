"""`/os-aggregates/{id}/images`: have hosts fetch images before servers need them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.microversions import available
from cloudportal.api.openapi import documented
from cloudportal.api.validation import BodySchema, closed
from cloudportal.api.views import ComputeView, WireRequest
from hypervisors.aggregates import find_aggregate
from identity import policy
from images.precache import precache_images

_IMAGE: dict[str, Any] = closed({"id": {"type": "string", "format": "uuid"}}, ["id"])
CACHE = BodySchema(closed({"cache": {"type": "array", "minItems": 1, "items": _IMAGE}}, ["cache"]))


class AggregateImages(ComputeView):
    """The images that the hosts of an aggregate are to have."""

    @available("2.81")
    @documented("Bring images to the hosts of an aggregate.", request=CACHE, responses={202: None})
    def post(self, request: WireRequest, aggregate_id: str) -> Response:
        """Accept the request; hosts fetch the images one after another."""
        wanted = CACHE.check(request.data)["cache"]
        policy.require(request.actor, "compute:aggregates:images")
        precache_images(
            aggregate=find_aggregate(aggregate_id),
            image_ids=[UUID(each["id"]) for each in wanted],
            actor=request.actor,
            now=timezone.now(),
        )
        return Response(status=202)

"""`/os-quota-class-sets`: the limits of quota classes, of which only `default` has an effect."""

from __future__ import annotations

from rest_framework.response import Response

from cloudportal.api.openapi import documented, wrapped
from cloudportal.api.views import ComputeView, WireRequest
from quotas.api.body import (
    CLASS_NAMES,
    UPDATE_CLASS,
    ShownLimits,
    shown_limits,
    wanted_limits,
)
from quotas.read import read_class
from quotas.set_limits import set_class_limits

QUOTA_CLASS_SET = wrapped("quota_class_set", ShownLimits(CLASS_NAMES))
CHANGED = wrapped("quota_class_set", ShownLimits(CLASS_NAMES, with_id=False))


class QuotaClassSetView(ComputeView):
    """The limits of one class."""

    @documented("Show a quota class.", responses={200: QUOTA_CLASS_SET})
    def get(self, request: WireRequest, class_name: str) -> Response:
        """Answer with the limits."""
        limits = read_class(class_name=class_name, actor=request.actor)
        shown = shown_limits(CLASS_NAMES.at(request.microversion), limits)
        return Response({"quota_class_set": {"id": class_name, **shown}})

    @documented("Change a quota class.", request=UPDATE_CLASS, responses={200: CHANGED})
    def put(self, request: WireRequest, class_name: str) -> Response:
        """Set the limits in the body and answer with all."""
        values = UPDATE_CLASS.at(request.microversion).check(request.data)["quota_class_set"]
        set_class_limits(class_name=class_name, wanted=wanted_limits(values), actor=request.actor)
        limits = read_class(class_name=class_name, actor=request.actor)
        shown = shown_limits(CLASS_NAMES.at(request.microversion), limits)
        return Response({"quota_class_set": shown})

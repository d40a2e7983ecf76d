"""`/os-quota-sets`: the limits of projects, and of users in them."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.microversions import Versioned
from cloudportal.api.openapi import documented, wrapped
from cloudportal.api.query import ANY, IGNORED, QuerySchema
from cloudportal.api.representation import INTEGER, record
from cloudportal.api.validation import is_true
from cloudportal.api.views import ComputeView, WireRequest
from quotas.api.body import (
    RELICS,
    SET_NAMES,
    UPDATE_SET,
    ShownLimits,
    shown_limits,
    wanted_limits,
)
from quotas.read import read_defaults, read_limits, read_usage
from quotas.set_limits import (
    reset_project_limits,
    reset_user_limits,
    set_project_limits,
    set_user_limits,
)

_USER = {"user_id": ANY}
QUERY = Versioned({"2.1": QuerySchema(_USER), "2.75": QuerySchema(_USER, closed=True)})
QUOTA_SET = wrapped("quota_set", ShownLimits(SET_NAMES))
CHANGED = wrapped("quota_set", ShownLimits(SET_NAMES, with_id=False))
_FIGURES = record({"limit": INTEGER, "in_use": INTEGER, "reserved": INTEGER})
USAGE = wrapped("quota_set", ShownLimits(SET_NAMES, value=_FIGURES))


def _user_id(request: WireRequest) -> str:
    """The user whose limits are meant; "" for those of the whole project."""
    return str(request.query.get("user_id") or "")


def _in_use(name: str, used: dict[str, int]) -> int:
    # The network service's own security groups and addresses go by the relics' names.
    return 0 if name in RELICS else used.get(name, 0)


class QuotaSetView(ComputeView):
    """A project's limits."""

    @documented("Show a project's quota.", query=QUERY, responses={200: QUOTA_SET})
    def get(self, request: WireRequest, target_id: str) -> Response:
        """Answer with the limits."""
        limits = read_limits(project_id=target_id, user_id=_user_id(request), actor=request.actor)
        shown = shown_limits(SET_NAMES.at(request.microversion), limits)
        return Response({"quota_set": {"id": target_id, **shown}})

    @documented(
        "Change a project's quota.", query=QUERY, request=UPDATE_SET, responses={200: CHANGED}
    )
    def put(self, request: WireRequest, target_id: str) -> Response:
        """Set the limits in the body and answer with all."""
        values = UPDATE_SET.at(request.microversion).check(request.data)["quota_set"]
        user_id = _user_id(request)
        change = partial(
            partial(set_user_limits, user_id=user_id) if user_id else set_project_limits,
            project_id=target_id,
            wanted=wanted_limits(values),
            force=is_true(values.get("force", False)),
        )
        limits = change(actor=request.actor, now=timezone.now())
        return Response({"quota_set": shown_limits(SET_NAMES.at(request.microversion), limits)})

    @documented("Reset a project's quota.", query=QUERY, responses={202: None})
    def delete(self, request: WireRequest, target_id: str) -> Response:
        """Let the defaults hold again."""
        user_id = _user_id(request)
        if user_id:
            reset_user_limits(project_id=target_id, user_id=user_id, actor=request.actor)
        else:
            reset_project_limits(project_id=target_id, actor=request.actor)
        return Response(status=202)


class QuotaSetDetailView(ComputeView):
    """A project's limits with its usage."""

    @documented("Show a project's quota and usage.", query=QUERY, responses={200: USAGE})
    def get(self, request: WireRequest, target_id: str) -> Response:
        """Answer with limits and usage."""
        limits, used = read_usage(
            project_id=target_id, user_id=_user_id(request), actor=request.actor
        )
        shown = shown_limits(SET_NAMES.at(request.microversion), limits)
        body: dict[str, Any] = {
            name: {"limit": limit, "in_use": _in_use(name, used), "reserved": 0}
            for name, limit in shown.items()
        }
        return Response({"quota_set": {"id": target_id, **body}})


class QuotaSetDefaultsView(ComputeView):
    """The limits of a project that has none of its own."""

    @documented("Show the default quota.", query=IGNORED, responses={200: QUOTA_SET})
    def get(self, request: WireRequest, target_id: str) -> Response:
        """Answer with the defaults."""
        limits = read_defaults(actor=request.actor)
        shown = shown_limits(SET_NAMES.at(request.microversion), limits)
        return Response({"quota_set": {"id": target_id, **shown}})

"""Limits of projects on networks and what belongs to them, over HTTP."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from cloudportal.api.paging import parse_limit
from cloudportal.api.query import ANY, QuerySchema
from cloudportal.api.validation import BOOLEAN, closed, is_true
from identity import policy
from networks.api.base import NetworkView, actor_of
from networks.api.bodies import Body
from networks.api.shapes import all_limits_shape, details_shape, limits_shape
from networks.models import SecurityGroup
from quotas.consume import default_limits, limits, usage
from quotas.models import QuotaLimit
from quotas.resources import UNLIMITED
from quotas.set_limits import reset_project_limits, set_project_limits

# By the service's names ours.
_QUOTAS = {
    "network": "networks",
    "subnet": "subnets",
    "port": "ports",
    "router": "routers",
    "floatingip": "floating_ips",
    "security_group": "security_groups",
    "security_group_rule": "security_group_rules",
}
# There is no such thing, or as many as anybody likes.
_UNCOUNTED = ("rbac_policy", "subnetpool")
_LIMIT: dict[str, Any] = {"type": "integer", "minimum": UNLIMITED, "maximum": 2**31 - 1}
_CHANGE = Body(
    "quota",
    "quotas",
    closed(
        {
            **dict.fromkeys(_QUOTAS, _LIMIT),
            **{name: {"enum": [UNLIMITED]} for name in _UNCOUNTED},
            "check_limit": BOOLEAN,
            "force": BOOLEAN,
        }
    ),
)
_LIMITS = limits_shape([*_QUOTAS, *_UNCOUNTED])


class Quotas(NetworkView):
    """The limits of all projects that have some of their own."""

    @documented(
        "List the limits of projects that have some of their own.",
        query=QuerySchema({"limit": ANY, "marker": ANY}),
        responses={200: all_limits_shape([*_QUOTAS, *_UNCOUNTED])},
    )
    def get(self, request: Request) -> Response:
        """One page of them."""
        policy.require(actor_of(request), "update_network_quota")
        rows = QuotaLimit.objects.filter(resource__in=_QUOTAS.values()).order_by("project_id")
        marker = request.query_params.get("marker", "").replace("\0", "")
        projects = rows.filter(project_id__gt=marker).values_list("project_id", flat=True)
        page = list(projects.distinct()[: parse_limit(request.query_params)])
        own: dict[str, dict[str, int]] = {project: default_limits() for project in page}
        for row in QuotaLimit.objects.filter(project_id__in=page):
            own[row.project_id][row.resource] = row.limit
        shown = [
            {**_shown(known), "project_id": project, "tenant_id": project}
            for project, known in own.items()
        ]
        return Response({"quotas": shown})


class OfProject(NetworkView):
    """What the project in the address has, whosever the request is."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """The project in the address is whose quota it is, not whose the request is."""
        project_id = self.kwargs.pop("project_id")
        super().initial(request, *args, **kwargs)
        self.kwargs["project_id"] = project_id


class Quota(OfProject):
    """The limits of a project."""

    @documented("Show the limits of a project.", responses={200: _LIMITS})
    def get(self, request: Request, project_id: str) -> Response:
        """Its own limits, or the defaults where it has none."""
        policy.require(actor_of(request), "get_network_quota", project_id=project_id)
        return Response({"quota": _shown(limits(project_id))})

    @documented(
        "Change the limits of a project.",
        request=_CHANGE.one,
        responses={200: _LIMITS},
    )
    def put(self, request: Request, project_id: str) -> Response:
        """Set some; lower than what is used is fine, unless asked to check that."""
        policy.require(actor_of(request), "update_network_quota")
        fields = _CHANGE.read(request.data)
        found = set_project_limits(
            project_id=project_id,
            wanted={_QUOTAS[name]: fields[name] for name in _QUOTAS if name in fields},
            force=not is_true(fields.get("check_limit", False)),
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response({"quota": _shown(found)})

    @documented("Let the default limits hold again.", responses={204: None})
    def delete(self, request: Request, project_id: str) -> Response:
        """Let the defaults hold again."""
        policy.require(actor_of(request), "delete_network_quota")
        reset_project_limits(
            project_id=project_id, actor=actor_of(request), resources=_QUOTAS.values()
        )
        return Response(status=204)


class QuotaDefault(Quota):
    """The limits that hold where no other are set."""

    http_method_names = ("get",)

    @documented("Show the default limits.", responses={200: _LIMITS})
    def get(self, request: Request, project_id: str) -> Response:
        """The defaults."""
        policy.require(actor_of(request), "get_network_quota", project_id=project_id)
        return Response({"quota": _shown(default_limits())})


class QuotaDetails(Quota):
    """Limits beside what is used."""

    http_method_names = ("get",)

    @documented(
        "Show limits beside what is used.",
        responses={200: details_shape(list(_QUOTAS))},
    )
    def get(self, request: Request, project_id: str) -> Response:
        """Each resource with both."""
        policy.require(actor_of(request), "get_network_quota", project_id=project_id)
        used = usage(project_id)
        # The default group comes by itself, outside the quota's books.
        groups = SecurityGroup.objects.filter(project_id=project_id)
        used["security_groups"] = groups.count()
        used["security_group_rules"] = groups.filter(rules__isnull=False).count()
        quota = {
            name: {"limit": limit, "used": used[_QUOTAS[name]], "reserved": 0}
            for name, limit in _shown(limits(project_id)).items()
            if name in _QUOTAS
        }
        return Response({"quota": quota})


def _shown(known: dict[str, int]) -> dict[str, int]:
    counted = {name: known[resource] for name, resource in _QUOTAS.items()}
    return {**counted, **dict.fromkeys(_UNCOUNTED, UNLIMITED)}

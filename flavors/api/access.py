"""`/flavors/{id}/os-flavor-access` and the actions that change it."""

from __future__ import annotations

from typing import Any

from rest_framework.response import Response

from cloudportal.api.microversions import Versioned
from cloudportal.api.openapi import documented, listed
from cloudportal.api.representation import STRING, record
from cloudportal.api.validation import BodySchema, closed
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Invalid
from flavors.access import add_access, list_access, remove_access
from flavors.find import find_flavor
from flavors.models import Flavor

_PROJECT = closed(
    {
        "tenant": {
            "type": "string",
            "minLength": 1,
            "maxLength": 255,
            "pattern": r"^[a-zA-Z0-9-]*\Z",
        }
    },
    ["tenant"],
)
ADD = BodySchema(closed({"addTenantAccess": _PROJECT}, ["addTenantAccess"]))
REMOVE = BodySchema(closed({"removeTenantAccess": _PROJECT}, ["removeTenantAccess"]))
ACTION = {"oneOf": [ADD.schema, REMOVE.schema]}
REFUSES_PUBLIC = Versioned({"2.1": False, "2.7": True})
ACCESS = listed("flavor_access", record({"flavor_id": STRING, "tenant_id": STRING}), links=None)


def _answer(flavor: Flavor, projects: list[str]) -> Response:
    entries = [{"flavor_id": flavor.flavorid, "tenant_id": project} for project in projects]
    return Response({"flavor_access": entries})


class FlavorAccessView(ComputeView):
    """Who may use a private flavor."""

    @documented(
        "List the projects that may use a private flavor.",
        responses={200: ACCESS},
    )
    def get(self, request: WireRequest, flavor_id: str) -> Response:
        """Answer with the list."""
        flavor = find_flavor(flavorid=flavor_id, actor=request.actor)
        return _answer(flavor, list_access(flavor=flavor, actor=request.actor))


class FlavorActionView(ComputeView):
    """Change who may use a private flavor."""

    @documented(
        "Share a flavor with a project, or stop sharing it.",
        request=ACTION,
        responses={200: ACCESS},
    )
    def post(self, request: WireRequest, flavor_id: str) -> Response:
        """Do the one action in the body."""
        name = _action_name(request.data)
        if name == "addTenantAccess":
            project_id = ADD.check(request.data)[name]["tenant"]
            flavor = find_flavor(flavorid=flavor_id, actor=request.actor)
            projects = add_access(
                flavor=flavor,
                project_id=project_id,
                actor=request.actor,
                refuse_public=REFUSES_PUBLIC.at(request.microversion),
            )
        else:
            project_id = REMOVE.check(request.data)[name]["tenant"]
            flavor = find_flavor(flavorid=flavor_id, actor=request.actor)
            projects = remove_access(flavor=flavor, project_id=project_id, actor=request.actor)
        return _answer(flavor, projects)


def _action_name(body: Any) -> str:
    if not isinstance(body, dict) or not body:
        raise Invalid("Malformed request body")
    name = next(iter(body))
    if name not in {"addTenantAccess", "removeTenantAccess"}:
        raise Invalid(f"There is no such action: {name}")
    return str(name)

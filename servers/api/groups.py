"""`/os-server-groups`: servers that are kept together or apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.microversions import Microversion, Versioned
from cloudportal.api.openapi import documented, listed, wrapped
from cloudportal.api.paging import MAX_LIMIT
from cloudportal.api.query import ANY, NON_NEGATIVE_TEXT, QuerySchema
from cloudportal.api.representation import (
    INTEGER,
    STRING,
    Field,
    Representation,
    array,
    mapping,
    record,
)
from cloudportal.api.validation import NAME, POSITIVE, BodySchema, closed
from cloudportal.api.views import ComputeView, WireRequest
from servers.groups import (
    MAX_PER_HOST,
    create_group,
    delete_group,
    find_group,
    members_of,
    visible_groups,
)
from servers.models import GroupPolicy, ServerGroup

Schema = dict[str, Any]

# No list is as long as this; larger numbers do not fit into a statement.
MAX_OFFSET = 2**31 - 1
ONE_POLICY = Microversion(2, 64)
_HARD = [GroupPolicy.ANTI_AFFINITY.value, GroupPolicy.AFFINITY.value]
_ALL = [*_HARD, GroupPolicy.SOFT_ANTI_AFFINITY.value, GroupPolicy.SOFT_AFFINITY.value]


def _policies(allowed: list[str]) -> BodySchema:
    policies = {"type": "array", "items": {"enum": allowed}, "minItems": 1, "maxItems": 1}
    group = closed({"name": NAME, "policies": policies}, ["name", "policies"])
    return BodySchema(closed({"server_group": group}, ["server_group"]))


_PER_HOST: Schema = {**POSITIVE, "maximum": 2**31 - 1, "maxLength": 10}
_GROUP_2_64 = closed(
    {"name": NAME, "policy": {"enum": _ALL}, "rules": closed({MAX_PER_HOST: _PER_HOST})},
    ["name", "policy"],
)
CREATE = Versioned(
    {
        "2.1": _policies(_HARD),
        "2.15": _policies(_ALL),
        "2.64": BodySchema(closed({"server_group": _GROUP_2_64}, ["server_group"])),
    }
)
_LIST = {"all_projects": ANY, "limit": NON_NEGATIVE_TEXT, "offset": NON_NEGATIVE_TEXT}
LIST = Versioned({"2.1": QuerySchema(_LIST), "2.75": QuerySchema(_LIST, closed=True)})


@dataclass(frozen=True)
class _Shown:
    group: ServerGroup
    members: list[str]


GROUP: Representation[_Shown] = Representation(
    Field("id", lambda shown: str(shown.group.pk), STRING),
    Field("name", lambda shown: shown.group.name, STRING),
    Field("policies", lambda shown: [shown.group.policy], array({"enum": _ALL}), until="2.63"),
    Field("policy", lambda shown: shown.group.policy, {"enum": _ALL}, since="2.64"),
    Field(
        "rules", lambda shown: shown.group.rules, record({}, {MAX_PER_HOST: INTEGER}), since="2.64"
    ),
    Field("members", lambda shown: shown.members, array(STRING)),
    # Nothing was ever kept under this key.
    Field("metadata", lambda shown: {}, mapping(STRING), until="2.63"),
    Field("project_id", lambda shown: shown.group.project_id, STRING, since="2.13"),
    Field("user_id", lambda shown: shown.group.user_id, STRING, since="2.13"),
)


def _show(groups: list[ServerGroup], version: Microversion) -> list[dict[str, Any]]:
    members = members_of(groups)
    return [GROUP.show(_Shown(group, members[group.pk]), version) for group in groups]


def _read(body: Mapping[str, Any], version: Microversion) -> tuple[str, dict[str, int]]:
    """Policy and rules of a valid body."""
    if version < ONE_POLICY:
        return body["policies"][0], {}
    return body["policy"], {name: int(value) for name, value in body.get("rules", {}).items()}


class ServerGroups(ComputeView):
    """The groups of a project."""

    @documented(
        "List server groups.",
        query=LIST,
        responses={200: listed("server_groups", GROUP, links=None)},
    )
    def get(self, request: WireRequest) -> Response:
        """Answer with a piece of the list; an administrator may ask for all projects'."""
        query = request.query
        groups = visible_groups(request.actor, all_projects="all_projects" in query)
        begin = min(int(query.get("offset") or 0), MAX_OFFSET)
        # As ever with this resource, a limit of 0 is none.
        limit = min(int(query.get("limit") or 0) or MAX_LIMIT, MAX_LIMIT)
        found = list(groups[begin : begin + limit])
        return Response({"server_groups": _show(found, request.microversion)})

    @documented(
        "Create a server group.", request=CREATE, responses={200: wrapped("server_group", GROUP)}
    )
    def post(self, request: WireRequest) -> Response:
        """Make an empty group."""
        body = CREATE.at(request.microversion).check(request.data)["server_group"]
        group_policy, group_rules = _read(body, request.microversion)
        group = create_group(
            name=body["name"],
            group_policy=group_policy,
            group_rules=group_rules,
            actor=request.actor,
            now=timezone.now(),
        )
        return Response({"server_group": GROUP.show(_Shown(group, []), request.microversion)})


class OneServerGroup(ComputeView):
    """One group."""

    @documented("Show a server group.", responses={200: wrapped("server_group", GROUP)})
    def get(self, request: WireRequest, group_id: str) -> Response:
        """Answer with it and the servers in it."""
        rule = "os_compute_api:os-server-groups:show"
        group = find_group(actor=request.actor, group_id=group_id, rule=rule)
        return Response({"server_group": _show([group], request.microversion)[0]})

    @documented("Delete a server group; its servers stay.", responses={204: None})
    def delete(self, request: WireRequest, group_id: str) -> Response:
        """Forget it."""
        rule = "os_compute_api:os-server-groups:delete"
        group = find_group(actor=request.actor, group_id=group_id, rule=rule)
        delete_group(group=group, actor=request.actor)
        return Response(status=204)

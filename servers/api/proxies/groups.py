"""Security groups in the words of the compute API: only what comes in, one rule a line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Prefetch, QuerySet
from rest_framework.response import Response

from cloudportal.api.microversions import available
from cloudportal.api.openapi import documented, listed, wrapped
from cloudportal.api.paging import MAX_LIMIT
from cloudportal.api.query import IGNORED
from cloudportal.api.representation import INTEGER, STRING, array, nullable, record
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Invalid, NotFound, NotOffered
from identity import policy
from networks.lookup import find, visible_groups
from networks.models import SecurityGroup, SecurityGroupRule
from servers import rules as rules
from servers.find import find_server

LAST = "2.35"
_RULE = "os_compute_api:os-security-groups"
_ANYWHERE = {"IPv4": "0.0.0.0/0", "IPv6": "::/0"}
_WITH_PORTS = {"tcp", "udp"}
RULE = record(
    {
        "id": STRING,
        "parent_group_id": STRING,
        "ip_protocol": nullable(STRING),
        "from_port": nullable(INTEGER),
        "to_port": nullable(INTEGER),
        "group": record({}, {"name": STRING, "tenant_id": STRING}),
        "ip_range": record({}, {"cidr": STRING}),
    }
)
GROUP = record(
    {**dict.fromkeys(("id", "name", "description", "tenant_id"), STRING), "rules": array(RULE)}
)


def with_rules(groups: QuerySet[SecurityGroup]) -> QuerySet[SecurityGroup]:
    """The groups by project and name, with what comes in; two queries, however many there are."""
    ingress = SecurityGroupRule.objects.filter(direction="ingress").order_by("created_at", "pk")
    return groups.order_by("project_id", "name", "pk").prefetch_related(
        Prefetch("rules", ingress, to_attr="ingress")
    )


def group_bodies(groups: Iterable[Any]) -> list[dict[str, Any]]:
    """The bodies of groups that came `with_rules`."""
    return [
        {
            "id": str(group.pk),
            "name": group.name,
            "description": group.description,
            "tenant_id": group.project_id,
            "rules": [_rule(rule) for rule in group.ingress],
        }
        for group in groups
    ]


def _rule(rule: SecurityGroupRule) -> dict[str, Any]:
    first, last = _ports(rule)
    return {
        "id": str(rule.pk),
        "parent_group_id": str(rule.group_id),
        "ip_protocol": rule.protocol or None,
        "from_port": first,
        "to_port": last,
        "group": {},
        "ip_range": {"cidr": rule.remote_ip_prefix or _ANYWHERE[rule.ethertype]},
    }


def _ports(rule: SecurityGroupRule) -> tuple[int | None, int | None]:
    ports = rule.port_range_min, rule.port_range_max
    if not rule.protocol or ports != (None, None):
        return ports
    return (1, 65535) if rule.protocol.lower() in _WITH_PORTS else (-1, -1)


class ServerSecurityGroups(ComputeView):
    """The groups of a server's ports; at every microversion."""

    @documented(
        "List the security groups of a server.",
        responses={200: listed("security_groups", GROUP, links=None)},
    )
    def get(self, request: WireRequest, server_id: str) -> Response:
        """Each group once."""
        server = find_server(actor=request.actor, server_id=server_id, rule=f"{_RULE}:list")
        groups = SecurityGroup.objects.filter(ports__device_id=str(server.pk)).distinct()
        return Response({"security_groups": group_bodies(with_rules(groups))})


class SecurityGroups(ComputeView):
    """The groups of a project."""

    @available(until=LAST)
    @documented(
        "List security groups.",
        query=IGNORED,
        responses={200: listed("security_groups", GROUP, links=None)},
    )
    def get(self, request: WireRequest) -> Response:
        """Those of the caller's project; of all for an administrator who asks for that."""
        actor, query = request.actor, request.query_params
        policy.require(actor, f"{_RULE}:get", project_id=actor.project_id)
        groups = visible_groups(actor)
        if not (actor.is_admin and query.get("all_tenants") == "1"):
            groups = groups.filter(project_id=actor.project_id or "")
        start = _number(query.get("offset"), 0)
        stop = start + min(_number(query.get("limit"), MAX_LIMIT), MAX_LIMIT)
        return Response({"security_groups": group_bodies(with_rules(groups)[start:stop])})

    @available(until=LAST)
    @documented(
        "Make a security group.", responses={200: wrapped("security_group", GROUP)}, faults=[501]
    )
    def post(self, request: WireRequest) -> Response:
        """Refuse."""
        raise _not_yet(request, "create")


class OneSecurityGroup(ComputeView):
    """One group."""

    @available(until=LAST)
    @documented(
        "Show a security group.",
        query=IGNORED,
        responses={200: wrapped("security_group", GROUP)},
    )
    def get(self, request: WireRequest, group_id: str) -> Response:
        """The group with its rules."""
        actor = request.actor
        policy.require(actor, f"{_RULE}:show", project_id=actor.project_id)
        found = find(with_rules(visible_groups(actor)), group_id)
        if found is None:
            raise NotFound(f"Security group {group_id} not found.")
        return Response({"security_group": group_bodies([found])[0]})

    @available(until=LAST)
    @documented(
        "Change a security group.",
        responses={200: wrapped("security_group", GROUP)},
        faults=[501],
    )
    def put(self, request: WireRequest, group_id: str) -> Response:
        """Refuse."""
        raise _not_yet(request, "update")

    @available(until=LAST)
    @documented("Delete a security group.", responses={202: None}, faults=[501])
    def delete(self, request: WireRequest, group_id: str) -> Response:
        """Refuse."""
        raise _not_yet(request, "delete")


class SecurityGroupRules(ComputeView):
    """Rules of groups."""

    @available(until=LAST)
    @documented("Make a rule.", responses={200: wrapped("security_group_rule", RULE)}, faults=[501])
    def post(self, request: WireRequest) -> Response:
        """Refuse."""
        raise _not_yet(request, "rule:create")


class OneSecurityGroupRule(ComputeView):
    """One rule."""

    @available(until=LAST)
    @documented("Delete a rule.", responses={202: None}, faults=[501])
    def delete(self, request: WireRequest, rule_id: str) -> Response:
        """Refuse."""
        raise _not_yet(request, "rule:delete")


def _number(text: str | None, default: int) -> int:
    if not text:
        return default
    if not (text.isascii() and text.isdecimal()):
        raise Invalid(f"Invalid input for query parameters. Value: {text}.")
    return int(text[:9])


def _not_yet(request: WireRequest, verb: str) -> NotOffered:
    actor = request.actor
    policy.require(actor, f"{_RULE}:{verb}", project_id=actor.project_id)
    return NotOffered("Security groups cannot be changed in this release.")

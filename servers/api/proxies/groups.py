"""Security groups in the words of the compute API: only what comes in, one rule a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.microversions import available
from cloudportal.api.openapi import documented, listed, wrapped
from cloudportal.api.paging import MAX_LIMIT
from cloudportal.api.query import IGNORED
from cloudportal.api.representation import INTEGER, STRING, array, nullable, record
from cloudportal.api.validation import BodySchema, closed
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Conflict, Invalid, NotFound
from identity import policy
from networks.lookup import find, visible_groups
from networks.models import SecurityGroup, SecurityGroupRule
from networks.security_groups import (
    NewRule,
    create_group,
    create_rule,
    delete_group,
    delete_rule,
    update_group,
)
from servers import rules as rules
from servers.find import find_server

LAST = "2.35"
_TEXT: dict[str, Any] = {"type": ["string", "null"], "maxLength": 255}
# White space around it goes; something must be left.
_NAME: dict[str, Any] = {"type": "string", "maxLength": 255, "pattern": r"\S"}
_NUMBER: dict[str, Any] = {"type": ["integer", "string", "null"], "pattern": r"\A-?\d{1,5}\Z"}
GROUP_BODY = BodySchema(
    closed(
        {"security_group": closed({"name": _NAME, "description": _TEXT}, ["name"])},
        ["security_group"],
    )
)
RULE_BODY = BodySchema(
    closed(
        {
            "security_group_rule": closed(
                {
                    "parent_group_id": {"type": "string", "maxLength": 255},
                    "ip_protocol": {**_TEXT, "type": ["string", "integer", "null"]},
                    "from_port": _NUMBER,
                    "to_port": _NUMBER,
                    "cidr": _TEXT,
                    "group_id": _TEXT,
                },
                ["parent_group_id"],
            )
        },
        ["security_group_rule"],
    )
)
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
    ingress = (
        SecurityGroupRule.objects.filter(direction="ingress")
        .select_related("remote_group")
        .order_by("created_at", "pk")
    )
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
    remote = rule.remote_group
    return {
        "id": str(rule.pk),
        "parent_group_id": str(rule.group_id),
        "ip_protocol": rule.protocol or None,
        "from_port": first,
        "to_port": last,
        "group": {} if remote is None else {"name": remote.name, "tenant_id": remote.project_id},
        "ip_range": {}
        if remote is not None
        else {"cidr": rule.remote_ip_prefix or _ANYWHERE[rule.ethertype]},
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
        "Make a security group.",
        request=GROUP_BODY,
        responses={200: wrapped("security_group", GROUP)},
    )
    def post(self, request: WireRequest) -> Response:
        """It lets nothing in."""
        wanted = GROUP_BODY.check(request.data)["security_group"]
        _require(request, "create")
        with _in_own_words():
            made = create_group(
                name=wanted["name"].strip(),
                description=wanted.get("description") or "",
                project_id=None,
                actor=request.actor,
                now=timezone.now(),
            )
        return _shown(made)


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
        request=GROUP_BODY,
        responses={200: wrapped("security_group", GROUP)},
    )
    def put(self, request: WireRequest, group_id: str) -> Response:
        """Its name and description."""
        wanted = GROUP_BODY.check(request.data)["security_group"]
        _require(request, "update")
        changes = {"name": wanted["name"].strip(), "description": wanted.get("description") or ""}
        with _in_own_words():
            changed = update_group(
                group=_found(request, group_id),
                changes=changes,
                actor=request.actor,
                now=timezone.now(),
            )
        return _shown(changed)

    @available(until=LAST)
    @documented("Delete a security group.", responses={202: None})
    def delete(self, request: WireRequest, group_id: str) -> Response:
        """Unless a server follows it."""
        _require(request, "delete")
        with _in_own_words():
            delete_group(group=_found(request, group_id), actor=request.actor)
        return Response(status=202)


class SecurityGroupRules(ComputeView):
    """Rules of groups."""

    @available(until=LAST)
    @documented(
        "Make a rule.",
        request=RULE_BODY,
        responses={200: wrapped("security_group_rule", RULE)},
    )
    def post(self, request: WireRequest) -> Response:
        """Let something in."""
        wanted = RULE_BODY.check(request.data)["security_group_rule"]
        _require(request, "rule:create")
        with _in_own_words():
            made = create_rule(
                wanted=_wanted(wanted, _found(request, wanted["parent_group_id"])),
                actor=request.actor,
                now=timezone.now(),
            )
        return Response({"security_group_rule": _rule(made)})


class OneSecurityGroupRule(ComputeView):
    """One rule."""

    @available(until=LAST)
    @documented("Delete a rule.", responses={202: None})
    def delete(self, request: WireRequest, rule_id: str) -> Response:
        """Let it in no more."""
        _require(request, "rule:delete")
        rules = SecurityGroupRule.objects.filter(group__in=visible_groups(request.actor))
        rule = find(rules.select_related("group"), rule_id)
        if rule is None:
            raise NotFound(f"Security group rule {rule_id} not found.")
        with _in_own_words():
            delete_rule(rule=rule, actor=request.actor, now=timezone.now())
        return Response(status=202)


def _found(request: WireRequest, group_id: str) -> SecurityGroup:
    found = find(visible_groups(request.actor), group_id)
    if found is None:
        raise NotFound(f"Security group {group_id} not found.")
    return found


def _shown(group: SecurityGroup) -> Response:
    rows = with_rules(SecurityGroup.objects.filter(pk=group.pk))
    return Response({"security_group": group_bodies(rows)[0]})


def _wanted(fields: dict[str, Any], group: SecurityGroup) -> NewRule:
    first, last = _bound(fields.get("from_port")), _bound(fields.get("to_port"))
    protocol = fields.get("ip_protocol")
    cidr = fields.get("cidr") or ""
    return NewRule(
        group_id=str(group.pk),
        direction="ingress",
        ethertype="IPv6" if ":" in cidr else "IPv4",
        protocol="" if protocol is None else str(protocol),
        port_range_min=first,
        port_range_max=last,
        remote_ip_prefix="" if fields.get("group_id") else cidr,
        remote_group_id=fields.get("group_id") or "",
    )


def _bound(value: int | str | None) -> int | None:
    """-1 is any."""
    return None if value is None or int(value) < 0 else int(value)


@contextmanager
def _in_own_words() -> Iterator[None]:
    """What the network service calls a conflict is a bad request here."""
    try:
        yield
    except Conflict as error:
        raise Invalid(str(error)) from error


def _number(text: str | None, default: int) -> int:
    if not text:
        return default
    if not (text.isascii() and text.isdecimal()):
        raise Invalid(f"Invalid input for query parameters. Value: {text}.")
    return int(text[:9])


def _require(request: WireRequest, verb: str) -> None:
    actor = request.actor
    policy.require(actor, f"{_RULE}:{verb}", project_id=actor.project_id)

"""Security groups and their rules, made, changed and deleted; their ports follow at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import ip_network
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import F

from identity.actors import Actor
from networks.errors import (
    InvalidInput,
    OverQuota,
    SecurityGroupCannotRemoveDefault,
    SecurityGroupCannotUpdateDefault,
    SecurityGroupDefaultAlreadyExists,
    SecurityGroupInUse,
    SecurityGroupNotFound,
    SecurityGroupRuleExists,
)
from networks.groups import DEFAULT_GROUP, let_out
from networks.lookup import find, get_group, require
from networks.models import SecurityGroup, SecurityGroupRule
from networks.packet_rules import PROTOCOLS, WITH_PORTS
from networks.spread import note_rules
from quotas.consume import consume, release
from quotas.errors import QuotaExceeded

_MOST = {"port": 65535, "icmp": 255}
_IPV6_ONLY = ("icmpv6", "ipv6-icmp", "58")


@dataclass(frozen=True)
class NewRule:
    """A rule as asked for; "" or None is any. `remote_ip_prefix` is a network, or an address."""

    group_id: str
    direction: str
    ethertype: str = "IPv4"
    protocol: str = ""
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str = ""
    remote_group_id: str = ""
    description: str = ""


def create_group(
    *, name: str, description: str, project_id: str | None, actor: Actor, now: datetime
) -> SecurityGroup:
    """Make a group that lets everything out and nothing in.

    Raises:
        PolicyNotAuthorized: the actor may not, or not for that project.
        SecurityGroupDefaultAlreadyExists: each project has its default group.
        InvalidInput: there is no project to make it for.
        OverQuota: the project has all it may have.
    """
    owner = project_id or actor.project_id or ""
    if not owner:
        raise InvalidInput("A project is needed: the token is for none, and none is named.")
    require(actor, "create_security_group", owner)
    if name == DEFAULT_GROUP:
        raise SecurityGroupDefaultAlreadyExists("Default security group already exists.")
    group = SecurityGroup(
        id=uuid4(),
        project_id=owner,
        name=name,
        description=description,
        created_at=now,
        updated_at=now,
    )
    with transaction.atomic():
        _consume(owner, group.pk, "security_groups", now)
        group.save(force_insert=True)
        let_out(group, now=now)
    return group


def update_group(
    *, group: SecurityGroup, changes: Mapping[str, Any], actor: Actor, now: datetime
) -> SecurityGroup:
    """Change name or description.

    Raises:
        PolicyNotAuthorized: the actor may not change it.
        SecurityGroupCannotUpdateDefault: the default group keeps its name.
    """
    require(actor, "update_security_group", group.project_id)
    name = changes.get("name", group.name)
    if group.name == DEFAULT_GROUP and name != DEFAULT_GROUP:
        raise SecurityGroupCannotUpdateDefault("Updating default security group not allowed.")
    if name == DEFAULT_GROUP and group.name != DEFAULT_GROUP:
        raise SecurityGroupDefaultAlreadyExists("Default security group already exists.")
    SecurityGroup.objects.filter(pk=group.pk).update(
        **changes, updated_at=now, revision=F("revision") + 1
    )
    group.refresh_from_db()
    return group


def delete_group(*, group: SecurityGroup, actor: Actor) -> None:
    """Delete a group that no port follows, with its rules and those of others that name it.

    Raises:
        PolicyNotAuthorized: the actor may not delete it.
        SecurityGroupCannotRemoveDefault: it is the default group, and the actor no administrator.
        SecurityGroupInUse: a port follows it.
    """
    require(actor, "delete_security_group", group.project_id)
    if group.name == DEFAULT_GROUP and not actor.is_admin:
        raise SecurityGroupCannotRemoveDefault(
            "Insufficient rights for removing default security group."
        )
    subject = group.pk
    with transaction.atomic():
        SecurityGroup.objects.select_for_update().filter(pk=subject).first()
        if group.ports.exists():
            raise SecurityGroupInUse(f"Security Group {subject} in use.")
        for rule_id in group.rules.values_list("pk", flat=True):
            release(subject=rule_id)
        for rule_id in group.remote_rules.values_list("pk", flat=True):
            release(subject=rule_id)
        group.delete()
        release(subject=subject)


def create_rule(*, wanted: NewRule, actor: Actor, now: datetime) -> SecurityGroupRule:
    """Let something through for all ports that follow the group.

    Raises:
        SecurityGroupNotFound: no such group, or no such remote group.
        PolicyNotAuthorized: the actor may not change the group.
        InvalidInput: the rule makes no sense.
        SecurityGroupRuleExists: the group has it.
        OverQuota: the project has all it may have.
    """
    group = get_group(wanted.group_id, actor=actor)
    require(actor, "create_security_group_rule", group.project_id)
    rule = _checked(wanted, group, actor)
    rule.created_at = now
    with transaction.atomic():
        # Held, so that of two equal rules one is refused.
        held = SecurityGroup.objects.select_for_update().filter(pk=group.pk).first()
        if held is None:
            raise SecurityGroupNotFound(f"Security group {group.pk} does not exist")
        _check_new(rule)
        _consume(group.project_id, rule.pk, "security_group_rules", now)
        rule.save(force_insert=True)
        _changed(group.pk, actor, now)
    return rule


def delete_rule(*, rule: SecurityGroupRule, actor: Actor, now: datetime) -> None:
    """Let it through no more.

    Raises:
        PolicyNotAuthorized: the actor may not change the group.
    """
    require(actor, "delete_security_group_rule", rule.group.project_id)
    subject, group_id = rule.pk, rule.group_id
    with transaction.atomic():
        rule.delete()
        release(subject=subject)
        _changed(group_id, actor, now)


def _changed(group_id: UUID, actor: Actor, now: datetime) -> None:
    SecurityGroup.objects.filter(pk=group_id).update(updated_at=now, revision=F("revision") + 1)
    note_rules([group_id], now=now, request_id=actor.request_id)


def _checked(wanted: NewRule, group: SecurityGroup, actor: Actor) -> SecurityGroupRule:
    protocol = wanted.protocol.lower()
    if protocol in ("any", "0"):
        protocol = ""
    if protocol not in PROTOCOLS:
        raise InvalidInput(
            f"Security group rule protocol {wanted.protocol} not supported. Only protocol values "
            f"{', '.join(filter(None, PROTOCOLS))} and their absence are supported by the hosts."
        )
    if protocol in _IPV6_ONLY and wanted.ethertype != "IPv6":
        raise InvalidInput(f"Invalid ethertype {wanted.ethertype} for protocol {wanted.protocol}.")
    if wanted.remote_group_id and wanted.remote_ip_prefix:
        raise InvalidInput("Only remote_ip_prefix or remote_group_id may be provided.")
    _check_ports(replace(wanted, protocol=protocol))
    remote = None
    if wanted.remote_group_id:
        remote = get_group(wanted.remote_group_id, actor=actor)
    return SecurityGroupRule(
        id=uuid4(),
        group=group,
        direction=wanted.direction,
        ethertype=wanted.ethertype,
        protocol=protocol,
        port_range_min=wanted.port_range_min,
        port_range_max=wanted.port_range_max,
        remote_ip_prefix=_prefix(wanted),
        remote_group=remote,
        description=wanted.description,
    )


def _check_ports(wanted: NewRule) -> None:
    first, last = wanted.port_range_min, wanted.port_range_max
    if first is None and last is None:
        return
    protocol = PROTOCOLS[wanted.protocol]
    if protocol == "icmp":
        _check_icmp(first, last)
    elif protocol not in WITH_PORTS:
        raise InvalidInput(
            "Must also specify protocol if port range is given."
            if protocol is None
            else f"Port range cannot be specified for protocol {wanted.protocol}."
        )
    elif first is None or last is None or not 1 <= first <= last <= _MOST["port"]:
        raise InvalidInput("For TCP/UDP protocols, port_range_min must be <= port_range_max")


def _check_icmp(kind: int | None, code: int | None) -> None:
    for name, value in (("port_range_min", kind), ("port_range_max", code)):
        if value is not None and not 0 <= value <= _MOST["icmp"]:
            raise InvalidInput(f"Invalid value for ICMP {name} ({value}). It must be 0 to 255.")
    if kind is None:
        raise InvalidInput(
            f"ICMP code (port-range-max) {code} is provided but ICMP type (port-range-min) is "
            "missing."
        )


def _prefix(wanted: NewRule) -> str:
    if not wanted.remote_ip_prefix:
        return ""
    try:
        network = ip_network(wanted.remote_ip_prefix, strict=False)
    except ValueError:
        raise InvalidInput(f"'{wanted.remote_ip_prefix[:64]}' is not a valid IP subnet.") from None
    if f"IPv{network.version}" != wanted.ethertype:
        raise InvalidInput(
            f"Conflicting value ethertype {wanted.ethertype} for CIDR {wanted.remote_ip_prefix}"
        )
    return str(network)


def _check_new(rule: SecurityGroupRule) -> None:
    same = SecurityGroupRule.objects.filter(
        group=rule.group,
        direction=rule.direction,
        ethertype=rule.ethertype,
        protocol=rule.protocol,
        port_range_min=rule.port_range_min,
        port_range_max=rule.port_range_max,
        remote_ip_prefix=rule.remote_ip_prefix,
        remote_group=rule.remote_group,
    ).first()
    if same is not None:
        raise SecurityGroupRuleExists(f"Security group rule already exists. Rule id is {same.pk}.")


def _consume(project_id: str, subject: UUID, resource: str, now: datetime) -> None:
    try:
        consume(project_id=project_id, subject=subject, amounts={resource: 1}, now=now)
    except QuotaExceeded as error:
        raise OverQuota(f"Quota exceeded for resources: ['{resource[:-1]}'].") from error


def checked_groups(names_or_ids: Sequence[str], project_id: str) -> list[SecurityGroup]:
    """The project's groups of these ids, each once; for a port that exists.

    Raises:
        SecurityGroupNotFound: there is none.
    """
    found = []
    own = SecurityGroup.objects.filter(project_id=project_id)
    for identifier in dict.fromkeys(names_or_ids):
        group = find(own, identifier)
        if group is None:
            raise SecurityGroupNotFound(f"Security group {identifier} does not exist")
        found.append(group)
    return found

"""Let a server's ports follow a security group, or follow it no more."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from identity.actors import Actor
from networks.errors import (
    NoUniqueMatch,
    PortSecurityAndIPRequiredForSecurityGroups,
    SecurityGroupNotFound,
)
from networks.models import Port, SecurityGroup
from networks.server_ports import ports_of
from networks.spread import mark_ports, note_members
from servers.begin import check_legal, require
from servers.errors import SecurityGroupNotOnServer
from servers.legal import LEGAL
from servers.models import Server


def add_security_group(*, server: Server, name: str, actor: Actor, now: datetime) -> None:
    """Let all the server's ports follow the group of that name or id; some may already.

    Raises:
        SecurityGroupNotFound: the server's project has none of that name or id.
        NoUniqueMatch: it has several.
        PortSecurityAndIPRequiredForSecurityGroups: a port has no port security.
        Forbidden: the actor may not.
    """
    _check(server, "addSecurityGroup", actor)
    group = _find(name, server.project_id)
    ports = list(ports_of(server.pk))
    if any(not port.has_port_security for port in ports):
        raise PortSecurityAndIPRequiredForSecurityGroups(
            f"Unable to add security group {name} to a port of instance {server.pk}: it has no "
            "port security."
        )
    with transaction.atomic():
        changed = [port for port in ports if not _follows(port, group)]
        for port in changed:
            port.security_groups.add(group)
        _spread(server, group, changed, actor, now)


def remove_security_group(*, server: Server, name: str, actor: Actor, now: datetime) -> None:
    """Let none of the server's ports follow the group any more.

    Raises:
        SecurityGroupNotFound: the server's project has none of that name or id.
        NoUniqueMatch: it has several.
        SecurityGroupNotOnServer: no port of the server follows it.
        Forbidden: the actor may not.
    """
    _check(server, "removeSecurityGroup", actor)
    group = _find(name, server.project_id)
    with transaction.atomic():
        changed = [port for port in ports_of(server.pk) if _follows(port, group)]
        if not changed:
            raise SecurityGroupNotOnServer(
                f"Security group {name} not associated with the instance {server.pk}"
            )
        for port in changed:
            port.security_groups.remove(group)
        _spread(server, group, changed, actor, now)


def _check(server: Server, name: str, actor: Actor) -> None:
    require(actor, LEGAL[name], server)
    check_legal(server, name, actor)


def _find(name: str, project_id: str) -> SecurityGroup:
    own = SecurityGroup.objects.filter(project_id=project_id)
    try:
        found = list(own.filter(pk=UUID(name)))
    except ValueError:
        found = []
    found = found or list(own.filter(name=name)[:2])
    if not found:
        raise SecurityGroupNotFound(f"Security group {name} not found for project {project_id}.")
    if len(found) > 1:
        raise NoUniqueMatch(
            f"Multiple security_groups matches found for name '{name}', use an ID to be more "
            "specific."
        )
    return found[0]


def _follows(port: Port, group: SecurityGroup) -> bool:
    return port.security_groups.filter(pk=group.pk).exists()


def _spread(
    server: Server, group: SecurityGroup, ports: list[Port], actor: Actor, now: datetime
) -> None:
    # What the guest keeps of its server is written anew.
    Server.objects.change(server.pk, updated_at=now)
    if ports:
        note_members([group.pk], now=now)
        rows = Port.objects.filter(pk__in=[port.pk for port in ports])
        mark_ports(rows, now=now, request_id=actor.request_id)

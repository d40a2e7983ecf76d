"""Consoles of servers in a browser: the display by VNC, and the serial line as a terminal."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from cloudportal.errors import Invalid
from hypervisors.consoles import display_port
from identity.actors import Actor
from servers.begin import require
from servers.console_tokens import issue_console_token
from servers.errors import ConsoleTokenRefused, InvalidState
from servers.legal import LEGAL
from servers.models import ConsoleToken, Server
from servers.states import ConsoleType

_OFFERED = {("vnc", "novnc"): ConsoleType.NOVNC, ("serial", "serial"): ConsoleType.SERIAL}
# Of the pages that open with a token and without a login.
PATHS = {ConsoleType.NOVNC: "/console/vnc", ConsoleType.SERIAL: "/console/serial"}


@dataclass(frozen=True)
class ConsolePlace:
    """A host and the port of its own where a console is; None: it is no port."""

    host: str
    port: int | None


def open_console(
    *, server: Server, protocol: str, kind: str, actor: Actor, now: datetime
) -> tuple[ConsoleType, str]:
    """What opens a console of the server: its type and a token for it.

    Raises:
        Forbidden: the actor may not.
        InvalidState: the server is on no host, or being deleted or migrated.
        Invalid: this cloud has no console of this kind.
    """
    rule = dataclasses.replace(LEGAL["console"], action=f"get_{protocol}_console")
    require(actor, rule, server)
    # No hypervisor of the field has it any more, whatever the server's state.
    if protocol != "rdp":
        if server.hypervisor is None:
            raise InvalidState(f"Instance {server.pk} is not ready")
        if rule.obstacle(server) is not None:
            raise InvalidState.of(server, rule)
    offered = _OFFERED.get((protocol, kind))
    if offered is None:
        raise Invalid(f"Unavailable console type {kind}.")
    return offered, issue_console_token(server=server, kind=offered, actor=actor, now=now)


def console_url(*, server: Server, protocol: str, kind: str, actor: Actor, now: datetime) -> str:
    """The address of a page with the console; as `open_console`, whose errors it raises."""
    offered, token = open_console(server=server, protocol=protocol, kind=kind, actor=actor, now=now)
    return f"{settings.PUBLIC_URL}{PATHS[offered]}?token={token}"


def place_of_console(token: ConsoleToken) -> ConsolePlace:
    """Where the console of a token is; asks the host for the port of a display.

    Raises:
        ConsoleTokenRefused: the server is on no host any more: it opens nothing.
        HostUnreachable: the host does not answer.
    """
    host = token.server.hypervisor
    if host is None:
        raise ConsoleTokenRefused("Token not found")
    is_display = token.type == ConsoleType.NOVNC
    return ConsolePlace(host.name, display_port(host, token.server_id) if is_display else None)

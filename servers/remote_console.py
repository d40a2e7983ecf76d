"""Consoles of servers in a browser or a terminal: this release offers none of them."""

from __future__ import annotations

import dataclasses

from cloudportal.errors import Invalid
from identity.actors import Actor
from servers.begin import require
from servers.errors import InvalidState
from servers.legal import LEGAL
from servers.models import Server


def open_console(*, server: Server, protocol: str, kind: str, actor: Actor) -> None:
    """Refuse a console of this kind, as a cloud refuses one that it does not have.

    Raises:
        Forbidden: the actor may not.
        InvalidState: the server is on no host, or being deleted or migrated.
        Invalid: always else.
    """
    rule = dataclasses.replace(LEGAL["console"], action=f"get_{protocol}_console")
    require(actor, rule, server)
    # No hypervisor of the field has it any more, whatever the server's state.
    if protocol != "rdp":
        if server.hypervisor is None:
            raise InvalidState(f"Instance {server.pk} is not ready")
        if rule.obstacle(server) is not None:
            raise InvalidState.of(server, rule)
    raise Invalid(f"Unavailable console type {kind}.")

"""What a server's guest wrote to its serial console."""

from __future__ import annotations

import re

from hypervisors.guests import read_console
from identity import policy
from identity.actors import Actor
from servers.errors import InvalidState, ServerAdopted
from servers.legal import LEGAL
from servers.models import Server

EVERYTHING = -1
# Control characters other than tab and line end: terminals act on them, and JSON need not.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def console_output(*, server: Server, length: int | None, actor: Actor) -> str:
    """The last `length` lines of the serial console; None or -1 is all that is kept.

    Raises:
        InvalidState: the server is not on a host yet.
        ServerAdopted: it keeps no log here.
        HostUnreachable: the host does not answer.
        Forbidden: the actor may not.
    """
    rule = "os_compute_api:os-console-output"
    policy.require(actor, rule, project_id=server.project_id, user_id=server.user_id)
    if server.adopted_name:
        # Its serial console is written to no file of the portal's.
        raise ServerAdopted.of(server, LEGAL["console output"])
    if server.hypervisor is None:
        raise InvalidState(f"Instance {server.pk} is not ready")
    text = _CONTROL.sub("", read_console(server.hypervisor, server.pk))
    if length is None or length == EVERYTHING:
        return text
    # Below -1 is answered like 0: nothing is that many lines long.
    lines = text.splitlines(keepends=True)
    return "".join(lines[-length:]) if length > 0 else ""

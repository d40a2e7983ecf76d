"""What a server's host counts of it, asked while an administrator waits."""

from __future__ import annotations

from hypervisors.guests import GuestDiagnosis, diagnose_guest
from identity import policy
from identity.actors import Actor
from servers import rules as rules
from servers.errors import InvalidState
from servers.models import Server

RULE = "os_compute_api:os-server-diagnostics"
RUNNING = "running"


def diagnose_server(*, server: Server, actor: Actor) -> GuestDiagnosis:
    """The counters of a running server.

    Raises:
        InvalidState: it is on no host, or does not run.
        HostUnreachable: the host does not answer.
        Forbidden: the actor is no administrator.
    """
    policy.require(actor, RULE, project_id=server.project_id, user_id=server.user_id)
    if server.hypervisor is None:
        raise InvalidState(f"Instance {server.pk} is not ready")
    found = diagnose_guest(server.hypervisor, server.pk)
    state = found.usage.power_state
    if state != RUNNING:
        raise InvalidState(
            f"Cannot 'get_diagnostics' instance {server.pk} while it is in power state {state}"
        )
    return found

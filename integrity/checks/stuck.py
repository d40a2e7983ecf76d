"""Is something going on with every server that says so?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from integrity.books import BooksFacts
from integrity.found import Found
from integrity.states import FindingKind, Scope
from servers.models import Server
from servers.states import TaskState, VmState


def check(facts: BooksFacts) -> Iterator[Found]:
    """Servers that are at work though nobody works at them."""
    for server in facts.servers.values():
        is_at_work = server.task_state is not None or server.vm_state == VmState.BUILDING
        if is_at_work and facts.at_rest(server):
            yield _stuck(server)


def _stuck(server: Server) -> Found:
    return Found(
        kind=FindingKind.SERVER_STUCK,
        about=str(server.pk),
        subject=server.name,
        summary=f"Server {server.name} is {server.status}"
        f"{f' ({server.task_state})' if server.task_state else ''}, and nothing is being done "
        "to it.",
        server_id=server.pk,
        hypervisor_id=server.hypervisor_id,
        scope=Scope.BOOKS,
        **_plan(server),
    )


def _plan(server: Server) -> dict[str, Any]:
    if server.task_state == TaskState.DELETING:
        return {"repair": "It is deleted.", "action": "server.delete"}
    if server.vm_state == VmState.BUILDING:
        reason = "The server's build was lost."
        return {
            "repair": "It goes to ERROR with this reason.",
            "action": "server.fail",
            "args": {"reason": reason},
        }
    return {"repair": "It is free for the next request.", "action": "server.clear_task"}

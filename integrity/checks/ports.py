"""Are ports bound to servers that exist, on the host where those are?"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from integrity.books import BooksFacts, is_bound
from integrity.found import Found
from integrity.states import FindingKind, Scope


def check(facts: BooksFacts) -> Iterator[Found]:
    """Ports of servers that are gone, and bindings that differ."""
    settled = {str(server.pk): server for server in facts.settled()}
    alive = {str(key) for key in facts.servers}
    busy = {str(key) for key in facts.busy.servers}
    strays: dict[str, int] = {}
    for device, port, host, status in facts.ports:
        if device in busy:
            continue
        if device not in alive:
            strays[device] = strays.get(device, 0) + 1
        elif device in settled:
            server = settled[device]
            wanted = facts.hosts.get(server.hypervisor_id or 0, "")
            if host != wanted or not is_bound(status):
                yield _differs(device, str(port), server.name, (host, status, wanted))
    for device, count in strays.items():
        yield from _stray(device, count)


def _stray(device: str, count: int) -> Iterator[Found]:
    try:
        server_id = UUID(device)
    except ValueError:
        return
    yield Found(
        kind=FindingKind.PORT_STRAY,
        about=device,
        subject=device,
        summary=f"{count} ports belong to the server {device}, which does not exist.",
        repair="Those made for it are deleted with their addresses, the others are unbound.",
        action="ports.release",
        server_id=server_id,
        scope=Scope.BOOKS,
        is_doubtful=True,
    )


def _differs(device: str, port: str, name: str, said: tuple[str, str, str]) -> Found:
    host, status, wanted = said
    return Found(
        kind=FindingKind.PORT_DIFFERS,
        about=port,
        subject=name,
        summary=f"The port {port} of server {name} is {status} on {host or 'no host'} instead of "
        f"ACTIVE on {wanted}.",
        repair="The port is bound to the host of its server.",
        action="ports.bind",
        args={"host": wanted},
        server_id=UUID(device),
        scope=Scope.BOOKS,
    )

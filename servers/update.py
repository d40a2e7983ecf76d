"""Change what a server is called and how it is described."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from identity import policy
from identity.actors import Actor
from servers.errors import InvalidState, ServerNotFound
from servers.models import Server


class ServerChanges(TypedDict, total=False):
    """What may change; a key that is absent stays as it is."""

    name: str
    description: str | None
    hostname: str
    access_ip_v4: str | None
    access_ip_v6: str | None
    disk_config: str
    pinned_zone: str | None


def update_server(*, server: Server, changes: ServerChanges, actor: Actor, now: datetime) -> Server:
    """Change a server in any state; nothing at its host changes.

    Raises:
        InvalidState: a zone is pinned that the server is not in, or another one already.
        ServerNotFound: it was deleted meanwhile.
        Forbidden: the actor may not.
    """
    rule = "os_compute_api:servers:update"
    policy.require(actor, rule, project_id=server.project_id, user_id=server.user_id)
    _check_pin(server, changes)
    if not changes:
        return server
    fields: dict[str, object] = dict(changes)
    if "pinned_zone" in changes:
        # Where the server may be put when it moves.
        fields["request_spec"] = {**server.request_spec, "zone": changes["pinned_zone"] or ""}
    if not Server.objects.change(server.pk, **fields, updated_at=now):
        raise ServerNotFound(f"Instance {server.pk} could not be found.")
    for name, value in fields.items():
        setattr(server, name, value)
    server.updated_at = now
    return server


def _check_pin(server: Server, changes: ServerChanges) -> None:
    zone = changes.get("pinned_zone")
    if zone is None or zone == server.pinned_zone:
        return
    if server.pinned_zone is not None:
        raise InvalidState(
            f"Instance {server.pk} is pinned to availability zone {server.pinned_zone}; unpin it "
            "first."
        )
    if zone != server.availability_zone:
        raise InvalidState(f"Instance {server.pk} is not in availability zone {zone}.")

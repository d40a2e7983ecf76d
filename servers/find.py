"""Find servers: one by its id, as far as the caller may know of it."""

from __future__ import annotations

from uuid import UUID

from identity import policy
from identity.actors import Actor
from servers import rules as rules
from servers.errors import ServerNotFound
from servers.models import Server, ServerQuerySet


def visible_servers(
    actor: Actor, *, all_projects: bool = False, rule: str = "os_compute_api:servers:index"
) -> ServerQuerySet:
    """The servers of the actor's project, deleted ones among them; of all for an administrator.

    Raises:
        Forbidden: of all projects, and the actor does not pass the rule for that.
    """
    if all_projects:
        policy.require(actor, f"{rule}:get_all_tenants")
        return Server.objects.all()
    return Server.objects.filter(project_id=actor.project_id or "")


def find_server(*, actor: Actor, server_id: str | UUID, rule: str, deleted: bool = False) -> Server:
    """The server of this id, for a caller who passes the rule.

    Raises:
        ServerNotFound: there is none, it is deleted (unless `deleted`), or it is another project's.
        Forbidden: the caller's role in the project does not suffice.
    """
    server = None
    identifier = _as_uuid(server_id)
    if identifier is not None:
        servers = Server.objects.all() if deleted else Server.objects.alive()
        if not actor.is_admin:
            servers = servers.filter(project_id=actor.project_id or "")
        server = servers.filter(pk=identifier).select_related("hypervisor").first()
    if server is None:
        raise ServerNotFound(f"Instance {server_id} could not be found.")
    policy.require(actor, rule, project_id=server.project_id, user_id=server.user_id)
    return server


def _as_uuid(text: str | UUID) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None


def servers_held_by(project_id: str) -> str:
    """In words how many servers a project has; "" when none."""
    count = Server.objects.alive().filter(project_id=project_id).count()
    return f"{count} servers" if count else ""

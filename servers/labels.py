"""Change the metadata and the tags of a server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from django.db import transaction

from identity import policy
from identity.actors import Actor
from quotas.consume import limits
from servers.begin import check_legal
from servers.create_checks import check_metadata_count
from servers.errors import InvalidServerRequest, LabelNotFound, ServerNotFound
from servers.models import Server

T = TypeVar("T")
MAX_TAGS = 50


def set_metadata(
    *, server: Server, metadata: Mapping[str, str], merge: bool, actor: Actor, now: datetime
) -> dict[str, str]:
    """Replace the metadata, or merge into it; returns what it is now.

    Raises:
        TooManyItems: above the limit of the project, or the user's in it.
        ServerLocked: it is locked, and the actor is no administrator.
        InvalidState: the server's state does not allow it.
        Forbidden: the actor may not.
    """
    _require(actor, f"server-metadata:{'create' if merge else 'update_all'}", server)

    def change(current: Server) -> dict[str, str]:
        found = {**current.metadata, **metadata} if merge else dict(metadata)
        check_metadata_count(found, limits(server.project_id, actor.user_id))
        current.metadata = found
        return found

    return _changed(server, "update metadata", change, actor=actor, now=now)


def delete_metadata(*, server: Server, key: str, actor: Actor, now: datetime) -> None:
    """Take one key out of the metadata.

    Raises:
        LabelNotFound: the server has no such key.
        ServerLocked: it is locked, and the actor is no administrator.
        InvalidState: the server's state does not allow it.
        Forbidden: the actor may not.
    """
    _require(actor, "server-metadata:delete", server)

    def change(current: Server) -> None:
        if key not in current.metadata:
            raise LabelNotFound("Metadata item was not found")
        del current.metadata[key]

    _changed(server, "delete metadata", change, actor=actor, now=now)


def set_tags(*, server: Server, tags: Sequence[str], actor: Actor, now: datetime) -> list[str]:
    """Replace all tags; returns them, each once.

    Raises:
        InvalidState: the server's state does not allow it.
        Forbidden: the actor may not.
    """
    _require(actor, f"os-server-tags:{'update_all' if tags else 'delete_all'}", server)

    def change(current: Server) -> list[str]:
        current.tags = list(dict.fromkeys(tags))
        return current.tags  # type: ignore[no-any-return]  # a JSON column has no type

    return _changed(
        server, "update tag(s)" if tags else "delete tag(s)", change, actor=actor, now=now
    )


def add_tag(*, server: Server, tag: str, actor: Actor, now: datetime) -> bool:
    """Add one tag; False when the server has it already.

    Raises:
        InvalidServerRequest: the server has as many as it may.
        InvalidState: the server's state does not allow it.
        Forbidden: the actor may not.
    """
    _require(actor, "os-server-tags:update", server)

    def change(current: Server) -> bool:
        if tag in current.tags:
            return False
        if len(current.tags) >= MAX_TAGS:
            raise InvalidServerRequest(
                f"The number of tags exceeded the per-server limit {MAX_TAGS}"
            )
        current.tags.append(tag)
        return True

    return _changed(server, "update tag(s)", change, actor=actor, now=now)


def remove_tag(*, server: Server, tag: str, actor: Actor, now: datetime) -> None:
    """Take one tag away.

    Raises:
        LabelNotFound: the server does not have it.
        InvalidState: the server's state does not allow it.
        Forbidden: the actor may not.
    """
    _require(actor, "os-server-tags:delete", server)

    def change(current: Server) -> None:
        if tag not in current.tags:
            raise LabelNotFound(f"Server {server.pk} has no tag '{tag}'")
        current.tags.remove(tag)

    _changed(server, "delete tag(s)", change, actor=actor, now=now)


def _require(actor: Actor, rule: str, server: Server) -> None:
    name = f"os_compute_api:{rule}"
    policy.require(actor, name, project_id=server.project_id, user_id=server.user_id)


def _changed(
    server: Server, action: str, change: Callable[[Server], T], *, actor: Actor, now: datetime
) -> T:
    """Change labels under the row's lock, so that two merges both count."""
    with transaction.atomic():
        current = Server.objects.alive().select_for_update().filter(pk=server.pk).first()
        if current is None:
            raise ServerNotFound(f"Instance {server.pk} could not be found.")
        check_legal(current, action, actor)
        result = change(current)
        current.updated_at = now
        current.save(update_fields=["metadata", "tags", "updated_at"])
    return result

"""Tell projects why something that they asked for did not become of a volume or snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from django.db.models import QuerySet

from identity import policy
from identity.actors import Actor
from volumes.errors import MessageNotFound
from volumes.find import as_uuid
from volumes.models import Message, Snapshot, Volume

KEPT_FOR = timedelta(days=30)
FORGET_EVERY_S = 3600.0
_BATCH = 2000
_LENGTH = 1024


class Event(Enum):
    """What failed: its id on the wire (source: the service's own numbers), and in words."""

    CREATE = "VOLUME_008", "create volume from backend storage"
    EXTEND = "VOLUME_007", "extend volume"
    SNAPSHOT = "VOLUME_SNAPSHOT_009", "create snapshot"
    UPLOAD = "VOLUME_003", "copy volume to image"
    # The service has none for this.
    REVERT = "VOLUME_099", "revert volume to snapshot"

    @property
    def id(self) -> str:
        """As the wire has it; the last number says that the text tells the rest."""
        return f"VOLUME_{self.value[0]}_001"

    @property
    def words(self) -> str:
        """What was tried."""
        return self.value[1]


def record_message(
    event: Event,
    about: Volume | Snapshot,
    request_id: str,
    error: Mapping[str, Any],
    *,
    now: datetime,
) -> None:
    """Keep what failed and why, in the words that are for everybody."""
    Message.objects.create(
        project_id=about.project_id,
        request_id=request_id,
        resource_type="VOLUME" if isinstance(about, Volume) else "VOLUME_SNAPSHOT",
        resource_id=about.pk,
        event_id=event.id,
        text=f"{event.words}: {error.get('message', '')}"[:_LENGTH],
        created_at=now,
    )


def visible_messages(actor: Actor, *, all_projects: bool = False) -> QuerySet[Message]:
    """The messages of the actor's project; of all for an administrator who asks for them.

    Raises:
        Forbidden: the actor has no role in a project.
    """
    policy.require(actor, "message:get_all", project_id=actor.project_id)
    if all_projects and actor.is_admin:
        return Message.objects.all()
    return Message.objects.filter(project_id=actor.project_id or "")


def find_message(*, actor: Actor, message_id: object, rule: str = "message:get") -> Message:
    """The message of this id, for a caller who passes the rule.

    Raises:
        MessageNotFound: there is none, or it is another project's.
        Forbidden: the caller's role in the project does not suffice.
    """
    key = as_uuid(message_id)
    rows = Message.objects.filter(pk=key) if key else Message.objects.none()
    if not actor.is_admin:
        rows = rows.filter(project_id=actor.project_id or "")
    found = rows.first()
    if found is None:
        raise MessageNotFound(f"Message {message_id} could not be found.")
    policy.require(actor, rule, project_id=found.project_id)
    return found


def delete_message(*, message: Message, actor: Actor) -> None:
    """Forget a message.

    Raises:
        Forbidden: the actor may not.
    """
    policy.require(actor, "message:delete", project_id=message.project_id)
    message.delete()


def forget_messages(now: datetime) -> int:
    """Delete the oldest of those that are too old, a batch a turn; returns how many."""
    old = Message.objects.filter(created_at__lt=now - KEPT_FOR).order_by("created_at")
    keys = list(old.values_list("pk", flat=True)[:_BATCH])
    Message.objects.filter(pk__in=keys).delete()
    return len(keys)

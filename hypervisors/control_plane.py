"""The portal's own services, as the wire's list of services has them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

from django.db.models import Max

from operations.models import Timer

HOST = "cloudportal"
ZONE = "internal"
BINARIES = ("nova-conductor", "nova-scheduler")
# Turns are seconds apart; a keeper that missed them for so long is dead.
SILENCE = timedelta(seconds=60)


@dataclass(frozen=True)
class ControlService:
    """A service that runs in the portal's workers; `seen_at` is None when it never ran."""

    number: int
    binary: str
    is_up: bool
    seen_at: datetime | None

    @property
    def uuid(self) -> UUID:
        """The same at every call, since there is no row to keep it."""
        return uuid5(NAMESPACE_URL, f"cloudportal:{self.binary}")


def control_services(*, now: datetime) -> list[ControlService]:
    """The services; up while some worker takes the turns of the periodic work."""
    due_at = Timer.objects.aggregate(last=Max("due_at"))["last"]
    is_up = due_at is not None and due_at > now - SILENCE
    seen_at = min(due_at, now) if due_at is not None else None
    # Far above any host's number, which the older versions of the wire tell services by.
    return [
        ControlService(2**31 - 1 - index, binary, is_up, seen_at)
        for index, binary in enumerate(BINARIES)
    ]

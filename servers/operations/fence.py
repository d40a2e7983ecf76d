"""Fence: a host that does not answer is switched off, so that its servers may run elsewhere.

One step, tried until it succeeds or is not wanted any more, and each time it looks first. A worker
that is killed in it proves nothing: the command runs again.
"""

from __future__ import annotations

import logging
from typing import Any

from django.utils import timezone

from hypervisors import fencing
from hypervisors.errors import FenceFailed
from hypervisors.models import HostState, Hypervisor
from operations.kinds import Context, Kind, Step
from servers.high_availability import FENCE, marked

logger = logging.getLogger(__name__)


def fence(context: Context) -> dict[str, Any]:
    """Switch the host off; how that went, in words, when it is over."""
    host = Hypervisor.objects.filter(pk=context.params["hypervisor"]).first()
    if host is None:
        return {"outcome": "The host has been removed."}
    if host.fenced_at is not None:
        return {"outcome": "The host is fenced."}
    if host.state != HostState.DOWN:
        return {"outcome": "The host is not down any more."}
    begun_at = timezone.now()
    stands_in_the_way = fencing.obstacle(host, begun_at)
    if stands_in_the_way or not marked(host).exists():
        return {"outcome": stands_in_the_way or "No server there is to be restarted elsewhere."}
    try:
        said = fencing.fence(host)
    except FenceFailed as error:
        fencing.note(host, f"{error} It is tried again.")
        raise
    if not fencing.mark_fenced(host, begun_at):
        outcome = "It answered while it was fenced, so nothing is proven."
        fencing.note(host, outcome)
        return {"outcome": outcome}
    logger.warning("Hypervisor %s is fenced: its command succeeded. %s", host.name, said)
    return {"outcome": "Fenced.", "said": said}


FENCE_KIND = Kind(
    FENCE,
    # No undo: who switches the host on again is its administrator.
    steps=[Step("fence", fence)],
    retries=None,
    deadline_s=None,
)

"""Set planned repairs going: one durable operation for all that is wrong with one subject."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from integrity.facts import REPAIR
from integrity.models import Finding
from integrity.states import Policy
from operations.enqueue import AlreadyAtWork, enqueue
from operations.models import Operation

FIRST_PAUSE_S = 20.0
PAUSE_LIMIT_S = 600.0
# Sweeps that must have seen something that could be in the making.
SIGHTINGS = 2


def request_repairs(
    findings: Iterable[Finding], *, now: datetime, at_once: bool = False, request_id: str = ""
) -> list[Operation]:
    """Enqueue the repairs of these findings; what is never to be repaired is passed over.

    All that concerns one server goes into one operation of that server, so that nothing else
    happens to it meanwhile; the rest into one of its host. A subject that has an operation waits
    for another time.

    Args:
        findings: open ones.
        now: the time.
        at_once: neither wait for a second sighting nor for the pause after a failed try.
        request_id: of the request that asked for it.
    """
    by_subject: dict[UUID, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.policy != Policy.NEVER and (at_once or _is_due(finding, now)):
            by_subject[finding.subject_id].append(finding)
    begun = []
    for subject, these in by_subject.items():
        try:
            begun.append(
                enqueue(
                    REPAIR, subject=subject, params=_params(these), request_id=request_id, now=now
                )
            )
        except AlreadyAtWork:
            continue
    return begun


def _params(findings: list[Finding]) -> dict[str, Any]:
    return {
        "findings": [
            {
                "id": each.pk,
                "key": each.key,
                "scope": each.scope,
                "hypervisor": each.hypervisor_id,
                "server": str(each.server_id) if each.server_id else None,
                "summary": each.summary,
                **each.plan,
            }
            for each in sorted(findings, key=lambda finding: finding.pk)
        ]
    }


def _is_due(finding: Finding, now: datetime) -> bool:
    if finding.plan.get("is_doubtful") and finding.sightings < SIGHTINGS:
        return False
    if finding.tried_at is None:
        return True
    pause_s = min(FIRST_PAUSE_S * 2 ** min(finding.attempts - 1, 10), PAUSE_LIMIT_S)
    return finding.tried_at + timedelta(seconds=pause_s) <= now

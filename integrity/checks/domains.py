"""Is every server's domain on its host, once, and nobody's beside?"""

from __future__ import annotations

from collections.abc import Iterator

from hypervisors.survey import DomainSeen, HostSurvey
from integrity.facts import HostFacts
from integrity.found import Found
from integrity.states import FindingKind, Policy


def check(seen: HostSurvey, facts: HostFacts) -> Iterator[Found]:
    """Missing, stray, unknown and foreign domains."""
    for domain in seen.domains:
        if domain.xml and not domain.is_ours and domain.uuid not in facts.servers:
            yield _foreign(domain, facts)


def _foreign(domain: DomainSeen, facts: HostFacts) -> Found:
    return Found(
        kind=FindingKind.DOMAIN_FOREIGN,
        about=str(domain.uuid),
        subject=domain.name,
        summary=f"The domain {domain.name} on {facts.hypervisor.name} was not made by this portal.",
        policy=Policy.NEVER,
        hypervisor_id=facts.hypervisor.pk,
    )

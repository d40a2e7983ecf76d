"""A host as it was seen beside what the books say of it; what checks are given."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from hypervisors.models import Hypervisor
from hypervisors.survey import DomainSeen, HostSurvey
from integrity.facts import HostFacts
from servers.models import Server


@dataclass(frozen=True)
class HostView:
    """Both sides of one host."""

    seen: HostSurvey
    facts: HostFacts

    @property
    def hypervisor(self) -> Hypervisor:
        """The host."""
        return self.facts.hypervisor

    @cached_property
    def domains(self) -> dict[UUID, DomainSeen]:
        """What domains it has."""
        return {domain.uuid: domain for domain in self.seen.domains}

    @cached_property
    def volumes(self) -> dict[str, set[str]]:
        """Names of the volumes by pool; every active pool is a key."""
        found: dict[str, set[str]] = {pool: set() for pool in self.seen.pools}
        for volume in self.seen.volumes:
            found[volume.pool].add(volume.name)
        return found

    @cached_property
    def _pool_of_volume(self) -> dict[str, str]:
        return {volume.name: volume.pool for volume in self.seen.volumes}

    @cached_property
    def settled(self) -> list[Server]:
        """The servers that must be whole here."""
        return self.facts.settled()

    def pool_of(self, server: Server) -> str | None:
        """The pool of its disks: where its root disk is, or its domain says, or new ones go.

        None when that one is not active at the moment.
        """
        known = self._pool_of_volume.get(f"{server.pk}-root")
        if known is not None:
            return known
        domain = self.domains.get(server.pk)
        chosen = server.options.get("store_id", "") or self.facts.default_pool
        said = domain.volumes[0][0] if domain and domain.volumes else chosen
        return said if said in self.volumes else None

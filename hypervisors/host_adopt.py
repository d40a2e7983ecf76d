"""Domains that somebody else made on a host: a part of `host.Host`."""

# ruff: noqa: D102 - the protocol says what each method is for

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from hypervisors.libvirt import adopt
from hypervisors.libvirt.adopt import DomainFacts, Unmarked
from hypervisors.libvirt.connection import Connection


class AdoptingHost(Protocol):
    """What is asked of domains that may become servers, or were ones."""

    def foreign_domains(self) -> list[DomainFacts]:
        """All domains without the portal's element."""

    def domain_facts(self, uuid: UUID) -> DomainFacts:
        """One domain, whosever it is."""

    def unmark(self, uuid: UUID, definition: str) -> Unmarked:
        """Take the portal's element off; whether the domain is kept as defined here again."""


class LibvirtAdoptingHost:
    """Each method is the driver's function of that name."""

    connection: Connection

    def foreign_domains(self) -> list[DomainFacts]:
        return adopt.foreign_domains(self.connection)

    def domain_facts(self, uuid: UUID) -> DomainFacts:
        return adopt.domain_facts(self.connection, uuid)

    def unmark(self, uuid: UUID, definition: str) -> Unmarked:
        return adopt.unmark(self.connection, uuid, definition)

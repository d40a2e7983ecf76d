"""What the agent inside a guest is asked, and what a guest is made as: a part of `host.Host`."""

# ruff: noqa: D102 - the protocol says what each method is for

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from hypervisors.libvirt import agent
from hypervisors.libvirt.agent import AgentState, MadeAs
from hypervisors.libvirt.connection import Connection


class AgentsOfHost(Protocol):
    """The agents of guests."""

    def agent_state(self, uuid: UUID) -> AgentState:
        """Whether the guest has an agent's channel, and an agent in it."""

    def set_password(self, uuid: UUID, user: str, password: str) -> None:
        """Let the agent give a user of the guest a password."""

    def made_as(self, uuid: UUID) -> MadeAs:
        """The machine type and the CPU model that the guest is made with."""


class LibvirtAgents:
    """Each method is the driver's function of that name."""

    connection: Connection

    def agent_state(self, uuid: UUID) -> AgentState:
        return agent.agent_state(self.connection, uuid)

    def set_password(self, uuid: UUID, user: str, password: str) -> None:
        agent.set_password(self.connection, uuid, user, password)

    def made_as(self, uuid: UUID) -> MadeAs:
        return agent.made_as(self.connection, uuid)

"""The agents inside guests, as their hosts reach them."""

from __future__ import annotations

from uuid import UUID

from hypervisors.connections import connected
from hypervisors.errors import GuestNotFound, NotOnHost
from hypervisors.libvirt.agent import AgentState, MadeAs
from hypervisors.models import Hypervisor

__all__ = ["AgentState", "MadeAs", "agent_state", "guest_made_as", "set_password"]


def agent_state(hypervisor: Hypervisor, server_id: UUID) -> AgentState:
    """Whether the guest has an agent's channel ("absent"), and an agent in it; asks the host.

    Raises:
        GuestNotFound: the host does not have it.
        HostUnreachable: the host does not answer.
    """
    try:
        with connected(hypervisor) as host:
            return host.agent_state(server_id)
    except NotOnHost as error:
        raise GuestNotFound("The host does not have the guest.", detail=error.detail) from error


def set_password(hypervisor: Hypervisor, server_id: UUID, user: str, password: str) -> None:
    """Let the guest's agent give a user a password.

    Raises:
        GuestNotFound: the host does not have it.
        WrongGuestState: it is off.
        HostBusy: the agent does not answer.
        HostCannot: there is no way to an agent.
    """
    try:
        with connected(hypervisor) as host:
            host.set_password(server_id, user, password)
    except NotOnHost as error:
        raise GuestNotFound("The host does not have the guest.", detail=error.detail) from error


def guest_made_as(hypervisor: Hypervisor, server_id: UUID) -> MadeAs:
    """The machine type and the CPU model that the guest is made with; none of no such guest."""
    try:
        with connected(hypervisor) as host:
            return host.made_as(server_id)
    except NotOnHost:
        return MadeAs()

"""Change a running server's administrator password, by the agent inside it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from hypervisors.agents import agent_state
from hypervisors.guests import guest_features
from identity.actors import Actor
from servers.begin import begin_action, check_legal, require
from servers.errors import PasswordNotSet
from servers.legal import LEGAL
from servers.models import Server
from servers.secrets import seal

KIND = "server.change_password"
USER = "os_admin_user"
_USERS = {"linux": "root", "windows": "Administrator"}


def change_password(*, server: Server, password: str, actor: Actor, now: datetime) -> None:
    """Have the guest's agent set the password; asks the host whether an agent is there.

    Raises:
        InvalidState: it does not run, or a task is under way.
        ServerLocked: it is locked, and the actor is no administrator.
        PasswordNotSet: the guest has no agent, or none that answers.
        HostUnreachable: its host does not answer.
        Forbidden: the actor may not.
    """
    require(actor, LEGAL["changePassword"], server)
    check_legal(server, "changePassword", actor)
    _check_agent(server)
    with transaction.atomic():
        begin_action(server, "changePassword", kind=KIND, actor=actor, now=now)
        Server.objects.change(server.pk, sealed_admin_password=seal(password), updated_at=now)


def administrator_of(server: Server) -> str:
    """The name of the user in the guest whose password it is."""
    features = guest_features(server.flavor["extra_specs"], server.image_properties)
    return str(server.image_properties.get(USER) or _USERS[features.os_type])


def _check_agent(server: Server) -> None:
    features = guest_features(server.flavor["extra_specs"], server.image_properties)
    if not features.has_guest_agent or server.hypervisor is None:
        raise PasswordNotSet("QEMU guest agent is not enabled")
    state = agent_state(server.hypervisor, server.pk)
    if state == "absent":
        raise PasswordNotSet("QEMU guest agent is not enabled")
    if state == "silent":
        raise PasswordNotSet(
            f"Failed to set admin password on {server.pk} because the guest agent does not answer"
        )

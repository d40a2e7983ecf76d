"""Set the administrator's password inside a running guest."""

from __future__ import annotations

from hypervisors import agents
from hypervisors.models import Hypervisor
from operations.kinds import Context
from servers.guest_password import KIND, administrator_of
from servers.models import Server
from servers.operations.guest_change import Change
from servers.secrets import unseal
from servers.states import TaskState


def _set(server: Server, host: Hypervisor, context: Context) -> None:
    if server.sealed_admin_password:
        password = unseal(server.sealed_admin_password)
        agents.set_password(host, server.pk, administrator_of(server), password)


CHANGE_PASSWORD = Change(
    KIND,
    "compute_set_admin_password",
    _set,
    (TaskState.UPDATING_PASSWORD,),
    # It is kept no longer than it takes to tell the guest.
    {"sealed_admin_password": ""},
    failed={"sealed_admin_password": ""},
).operation()

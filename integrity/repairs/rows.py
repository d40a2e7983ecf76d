"""Repairs within the database."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from identity.actors import system_actor
from integrity.repairs.work import Work
from networks.server_ports import mark_ports_active, release_server_ports
from quotas.consume import record_use, release, user_of
from servers import history
from servers.delete import delete_server
from servers.models import Server
from servers.states import PowerState, VmState


def fail_server(work: Work) -> None:
    """Put a server into ERROR, with the reason for its user."""
    with transaction.atomic():
        Server.objects.change(
            work.server().pk,
            vm_state=VmState.ERROR,
            task_state=None,
            power_state=PowerState.NOSTATE,
            sealed_admin_password="",
            updated_at=work.now,
        )
        history.record_fault(
            server_id=work.server().pk,
            message=work.args["reason"],
            details=work.summary,
            now=work.now,
        )


def clear_task(work: Work) -> None:
    """Free a server at which nobody works."""
    Server.objects.change(work.server().pk, task_state=None, updated_at=work.now)


def delete_again(work: Work) -> None:
    """Go on with a deletion that was lost; it takes the place of this repair."""
    delete_server(server=work.server(), actor=system_actor(work.request_id), now=work.now)


def release_ports(work: Work) -> None:
    """Give back the ports of a server that is gone."""
    if work.server_id is None or Server.objects.alive().filter(pk=work.server_id).exists():
        return
    release_server_ports(server_id=work.server_id, now=work.now)


def bind_ports(work: Work) -> None:
    """Bind a server's ports to its host."""
    server = work.server()
    if server.hypervisor is not None:
        mark_ports_active(server_id=server.pk, host=server.hypervisor.name, now=work.now)


def release_quota(work: Work) -> None:
    """Give back what something that does not exist holds."""
    release(subject=UUID(work.args["subject"]), resources=[work.args["resource"]])


def count_quota(work: Work) -> None:
    """Count what exists."""
    subject, resource = UUID(work.args["subject"]), work.args["resource"]
    with transaction.atomic():
        user_id = user_of(subject)
        release(subject=subject, resources=[resource])
        record_use(
            project_id=work.args["project"],
            subject=subject,
            amounts={resource: work.args["amount"]},
            now=work.now,
            user_id=user_id,
        )

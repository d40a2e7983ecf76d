"""Adopt a guest that is there, and release it again: our element goes on, and comes off.

Nothing else of the guest is changed, and it runs on meanwhile.
"""

from __future__ import annotations

import logging
import uuid
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from hypervisors import guests
from hypervisors.foreign import DomainFacts, domain_facts, unmark_guest
from hypervisors.models import Hypervisor
from operations.enqueue import AlreadyAtWork, enqueue
from operations.kinds import Context, Kind, Step
from quotas.consume import release
from scheduling.place import release_server
from servers import history
from servers.adopt import ADOPT_KIND, RELEASE_KIND, obstacle
from servers.errors import CannotAdopt
from servers.guest_record import guest_records
from servers.models import Adoption, Server
from servers.operations.events import begin_event, end_event
from servers.operations.facts import host_of, server_of
from servers.power_sync import POWER
from servers.states import PowerState, VmState

logger = logging.getLogger(__name__)

ADOPT_EVENT = "compute_adopt_instance"
RELEASE_EVENT = "compute_release_instance"
UNMARK_NAME = "server.unmark"
DEADLINE_S = 600.0
_SPACE = uuid.UUID("2f0c2c7e-6f1b-4a1e-8f39-2f6a2f0b8a11")
_STATES = {PowerState.SHUTDOWN: VmState.STOPPED, PowerState.CRASHED: VmState.STOPPED,
           PowerState.PAUSED: VmState.PAUSED}  # fmt: skip

_NOT_AS_BEFORE = {
    "changed": "The domain is not kept as it was when it was adopted: it stays as it is now.",
    "gone": "The domain was gone from its host already.",
}


# Adopting


def begin(context: Context) -> dict[str, Any]:
    """Note the start of the event."""
    host = host_of(server_of(context))
    begin_event(context, ADOPT_EVENT, host.name)
    return {"host": host.name}


def keep(context: Context) -> None:
    """See that the domain is still what was asked for, and keep its definition as it was.

    Raises:
        CannotAdopt: it changed meanwhile.
    """
    server = server_of(context)
    domain = domain_facts(host_of(server), server.pk)
    if _is_marked(server, domain):
        return
    reason = obstacle(domain, is_taken=False)
    if reason:
        raise CannotAdopt(f"Domain {domain.name} cannot be adopted. {reason}")
    size = (server.flavor["vcpus"], server.flavor["ram_mib"])
    if (domain.name, domain.vcpus, domain.ram_mib) != (server.adopted_name, *size):
        raise CannotAdopt(f"Domain {domain.name} was changed meanwhile: ask again.")
    Adoption.objects.filter(server=server).update(definition=domain.definition)


def mark(context: Context) -> dict[str, Any]:
    """Write into the domain whose server it is; how its guest is now."""
    server = server_of(context)
    host = host_of(server)
    guests.refresh_metadata(host, server.pk, guest_records([server])[server.pk])
    return {"power": POWER[domain_facts(host, server.pk).power_state].value}


def unmark(context: Context) -> None:
    """Take that off again."""
    server = server_of(context)
    unmark_guest(host_of(server), server.pk, definition_of(server.pk))


def finish(context: Context) -> None:
    """The server is there, as its guest is."""
    now = timezone.now()
    power = PowerState(context.outputs["mark"]["power"])
    with transaction.atomic():
        _own(context).update(
            vm_state=_STATES.get(power, VmState.ACTIVE),
            task_state=None,
            power_state=power,
            launched_at=now,
            updated_at=now,
        )
        host = context.outputs["begin"]["host"]
        end_event(context, ADOPT_EVENT, host)


def fail_adoption(context: Context, error: dict[str, Any]) -> None:
    """The server says why, and holds what it took until it is released."""
    now = timezone.now()
    fields = {"vm_state": VmState.ERROR, "task_state": None, "launched_at": None}
    _own(context).update(**fields, updated_at=now)
    message, detail = str(error.get("message", "")), str(error.get("detail", ""))
    host = (context.outputs.get("begin") or {}).get("host", "")
    end_event(context, ADOPT_EVENT, host, message)
    history.mark_action_failed(server_id=context.subject, request_id=context.request_id, now=now)
    history.record_fault(server_id=context.subject, message=message, details=detail, now=now)


def leave_marked(context: Context) -> None:
    """Nothing is booked: the server goes to ERROR, and its release takes the mark off."""
    logger.warning("The domain of server %s may be marked: its host is away.", context.subject)


def _is_marked(server: Server, domain: DomainFacts) -> bool:
    """By an earlier run of the step behind this one."""
    return domain.is_ours and domain.name == server.adopted_name


def _own(context: Context) -> Any:
    """Whatever its state was set to by hand meanwhile: nothing else is done to it before this."""
    return Server.objects.alive().filter(pk=context.subject)


# Releasing


def collect(context: Context) -> dict[str, Any]:
    """Note where it is, while the row is there to tell."""
    host = host_of(server_of(context))
    begin_event(context, RELEASE_EVENT, host.name)
    return {"hypervisor": host.pk, "host": host.name}


def let_go(context: Context) -> dict[str, Any]:
    """Take our element off the domain; whether it is as it was adopted."""
    host = Hypervisor.objects.filter(pk=context.outputs["collect"]["hypervisor"]).first()
    if host is None:
        return {"domain": "gone"}
    return {"domain": unmark_guest(host, context.subject, definition_of(context.subject))}


def release_claim(context: Context) -> None:
    """Give back what it held of its host; what the host still owes keeps its claim there."""
    release_server(
        server_id=context.subject, hypervisor_id=context.outputs["collect"]["hypervisor"]
    )


def forget(context: Context) -> None:
    """Release the quota and mark the server deleted, at once."""
    now = timezone.now()
    domain = (context.outputs.get("let_go") or {}).get("domain")
    with transaction.atomic():
        release(subject=context.subject)
        Adoption.objects.filter(server_id=context.subject).update(released_at=now)
        Server.objects.change(
            context.subject,
            vm_state=VmState.DELETED,
            task_state=None,
            power_state=PowerState.NOSTATE,
            terminated_at=now,
            deleted_at=now,
            updated_at=now,
        )
        host = context.outputs["collect"]["host"]
        end_event(context, RELEASE_EVENT, host)
        if domain in _NOT_AS_BEFORE:
            history.explain_action(
                server_id=context.subject,
                request_id=context.request_id,
                reason=_NOT_AS_BEFORE[domain],
            )


def postpone(context: Context) -> None:
    """The host is away: the element comes off when it is back."""
    subject = uuid.uuid5(_SPACE, str(context.subject))
    params = {
        "server": str(context.subject),
        "hypervisor": context.outputs["collect"]["hypervisor"],
    }
    try:
        enqueue(
            UNMARK_NAME,
            subject=subject,
            params=params,
            request_id=context.request_id,
            now=timezone.now(),
        )
    except AlreadyAtWork:
        return  # booked before; that one will do it


# What is left of a release while its host was away


def pay(context: Context) -> None:
    """Take the element off, unless the domain was adopted anew meanwhile."""
    host = Hypervisor.objects.filter(pk=context.params["hypervisor"]).first()
    server_id = UUID(context.params["server"])
    if host is not None and not Server.objects.alive().filter(pk=server_id).exists():
        unmark_guest(host, server_id, definition_of(server_id))


def pay_claim(context: Context) -> None:
    """Give back what was held there meanwhile."""
    server_id = UUID(context.params["server"])
    if not Server.objects.alive().filter(pk=server_id).exists():
        release_server(server_id=server_id, hypervisor_id=context.params["hypervisor"])


def definition_of(server_id: UUID) -> str:
    """How the domain was kept before it was adopted; "" of one that came back from its host."""
    found = Adoption.objects.filter(server_id=server_id).values_list("definition", flat=True)
    return found.first() or ""


ADOPT = Kind(
    ADOPT_KIND,
    steps=[
        Step("begin", begin),
        Step("keep", keep, on_host=True),
        Step("mark", mark, unmark, on_host=True),
        Step("finish", finish),
    ],
    deadline_s=DEADLINE_S,
    on_failed=fail_adoption,
    postpone=leave_marked,
)
RELEASE = Kind(
    RELEASE_KIND,
    steps=[
        # No undo anywhere: a release goes forward.
        Step("collect", collect),
        Step("let_go", let_go, on_host=True),
        Step("release_claim", release_claim, on_host=True),
        Step("forget", forget),
    ],
    retries=None,
    deadline_s=None,
    postpone=postpone,
    postpone_do=True,
)
UNMARK = Kind(
    UNMARK_NAME,
    steps=[Step("unmark", pay), Step("release_claim", pay_claim)],
    # The host may be away for weeks.
    retries=None,
    deadline_s=None,
)

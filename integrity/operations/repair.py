"""Repair what is wrong with one subject, as it was planned, and only what is still so.

Under the guard of the operation (nothing else happens to the server meanwhile) the host is looked
at again and checked by the same checks: a plan is carried out when the same finding comes of it
with the same plan. What changed in between is left to the next sweep.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import Any
from uuid import UUID

from django.db.models import F
from django.utils import timezone

from cloudportal.errors import CloudError
from hypervisors.models import Hypervisor
from hypervisors.survey import survey
from integrity.books import books_facts
from integrity.checks import check_books, check_host
from integrity.errors import NotRepaired
from integrity.facts import REPAIR, host_facts, ports_of_servers, settled_bases
from integrity.found import Found
from integrity.models import Finding
from integrity.repairs import ACTIONS
from integrity.repairs.work import Work
from integrity.states import Scope
from integrity.view import HostView
from operations.kinds import Context, Kind, Step

logger = logging.getLogger(__name__)


def look(context: Context) -> list[int]:
    """Look again; which of the findings are still so, with the plan that was made for them.

    A step of its own: a repair that dies half-way may have removed what its finding was told by,
    and has to be gone on with all the same.
    """
    planned: dict[tuple[str, int | None], list[dict[str, Any]]] = defaultdict(list)
    for each in context.params["findings"]:
        host = each["hypervisor"] if each["scope"] == Scope.HOST else None
        planned[each["scope"], host].append(each)
    confirmed: list[int] = []
    for (_, hypervisor_id), plans in planned.items():
        still = {each.key: each for each in _look_again(context, hypervisor_id, plans)}
        for plan in plans:
            found = still.get(plan["key"])
            if found is None:
                _close(plan)
            elif found.action == plan["action"] and found.args == plan["args"]:
                confirmed.append(plan["id"])
    return confirmed


def repair(context: Context) -> None:
    """Do what was planned; a plan carried out twice means it once.

    Raises:
        NotRepaired: some of it failed; why is noted with each finding.
    """
    failed = 0
    for plan in context.params["findings"]:
        context.checkpoint()
        if plan["id"] in context.outputs["look"] and not _carry_out(context, plan):
            failed += 1
    if failed:
        raise NotRepaired(f"{failed} of {len(context.params['findings'])} repairs failed.")


def _look_again(
    context: Context, hypervisor_id: int | None, plans: list[dict[str, Any]]
) -> list[Found]:
    started_at = timezone.now()
    if hypervisor_id is None:
        return list(check_books(books_facts(started_at=started_at, besides=context.operation_id)))
    hypervisor = Hypervisor.objects.filter(pk=hypervisor_id).first()
    if hypervisor is None:
        return []
    named = {each["server"] for each in plans}
    only = None if None in named else frozenset(UUID(each) for each in named if each)
    seen = survey(
        hypervisor,
        refresh=True,
        guests=only,
        ports=None if only is None else ports_of_servers(only),
        settled_bases=settled_bases(),
    )
    facts = host_facts(
        hypervisor, seen, started_at=started_at, only=only, besides=context.operation_id
    )
    return [
        each
        for each in check_host(HostView(seen, facts))
        if each.server_id not in facts.busy.servers
    ]


def _carry_out(context: Context, plan: dict[str, Any]) -> bool:
    now = timezone.now()
    row = Finding.objects.filter(pk=plan["id"])
    row.update(attempts=F("attempts") + 1, tried_at=now, error="")
    work = Work(
        args=plan["args"],
        now=now,
        operation_id=context.operation_id,
        request_id=context.request_id,
        hypervisor=Hypervisor.objects.filter(pk=plan["hypervisor"]).first(),
        server_id=UUID(plan["server"]) if plan["server"] else None,
        summary=plan["summary"],
    )
    try:
        ACTIONS[plan["action"]](work)
    except CloudError as error:
        logger.warning("Not repaired: %s %s (%s)", plan["summary"], error, error.detail)
        row.update(error=str(error))
        return False
    logger.info("Repaired: %s", plan["summary"])
    _close(plan)
    return True


def _close(plan: dict[str, Any]) -> None:
    """It is well now, or gone; were it not, the next sweep finds it anew."""
    Finding.objects.filter(pk=plan["id"], repaired_at=None).update(repaired_at=timezone.now())


def on_failed(context: Context, error: dict[str, Any]) -> None:
    """Note why it is not repaired yet with the findings that it did not come to."""
    ids = [each["id"] for each in context.params["findings"]]
    Finding.objects.filter(pk__in=ids, repaired_at=None, error="").update(
        attempts=F("attempts") + 1, tried_at=timezone.now(), error=str(error.get("message", ""))
    )


REPAIR_KIND = Kind(
    REPAIR,
    # No undo: a repair that failed half-way is planned anew by the next sweep.
    steps=[Step("look", look), Step("repair", repair)],
    # The next sweep plans anew, from what is there then.
    retries=0,
    deadline_s=900,
    on_failed=on_failed,
)

"""Looks from inside the portal, with its settings: is all at rest, how long did recovery take.

`python -m chaos.inside rest|truth|clean SECONDS` waits; `figures` reads instants from its input.
Each prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import django

LOOK_EVERY_S = 1.0


def unrest() -> dict[str, Any]:
    """What is still going on, or was left undone: empty when the cloud is at rest."""
    from hypervisors.models import HostState, Hypervisor
    from operations.models import UNFINISHED, Operation
    from servers.models import Server

    found = {
        "operations": [
            f"{each} cursor {each.cursor} attempt {each.attempt} lease {each.lease_owner!r} "
            f"until {each.lease_until} wake {each.wake_at} error {each.error}"
            for each in Operation.objects.filter(state__in=UNFINISHED)
        ],
        "tasks": [
            f"{each.pk} {each.vm_state} {each.task_state}"
            for each in Server.objects.filter(deleted_at=None).exclude(task_state=None)
        ],
        "hosts": [
            f"{each.name} {each.state}" for each in Hypervisor.objects.exclude(state=HostState.UP)
        ],
    }
    return {kind: things for kind, things in found.items() if things}


def untruth() -> dict[str, Any]:
    """Where the database and the hosts tell different things of servers: empty when nowhere."""
    from cloudportal.errors import CloudError
    from hypervisors.connections import connected
    from hypervisors.models import Hypervisor
    from servers.models import Server
    from servers.states import VmState

    wanted = {VmState.ACTIVE: "running", VmState.STOPPED: "shutdown"}
    servers = {each.pk: each for each in Server.objects.filter(deleted_at=None)}
    places: dict[Any, list[str]] = {}
    wrong = []
    silent = []
    for hypervisor in Hypervisor.objects.all():
        try:
            with connected(hypervisor) as host:
                guests = host.list_guests(ours_only=True)
        except CloudError as error:
            silent.append(f"{hypervisor.name}: {error.detail or error}")
            continue
        for guest in guests:
            places.setdefault(guest.uuid, []).append(hypervisor.name)
            server = servers.get(guest.uuid)
            vm_state = VmState(server.vm_state) if server else None
            if server is None or server.hypervisor_id != hypervisor.pk:
                wrong.append(f"{guest.uuid} on {hypervisor.name} should not be there")
            elif wanted.get(vm_state, guest.power_state) != guest.power_state:  # type: ignore[arg-type]  # not None here
                wrong.append(f"{server.pk} is {vm_state}, its guest {guest.power_state}")
    absent = [
        f"{server.pk} is {server.vm_state}, and no host has its guest"
        for server in servers.values()
        if server.vm_state in wanted and server.pk not in places
    ]
    twice = [f"{guest} is on {hosts}" for guest, hosts in places.items() if len(hosts) > 1]
    found = {"wrong": wrong, "absent": absent, "twice": twice, "silent": silent}
    return {kind: things for kind, things in found.items() if things}


def wait_empty(look: Callable[[], dict[str, Any]], within_s: float) -> dict[str, Any]:
    """Look until there is nothing, or the time is over; what is left, and how long it took."""
    began = time.monotonic()
    while True:
        left = look()
        took_s = time.monotonic() - began
        if not left or took_s > within_s:
            return {"left": left, "took_s": round(took_s, 1)}
        time.sleep(LOOK_EVERY_S)


def figures(given: dict[str, Any]) -> dict[str, Any]:
    """How long it took after kills, and after the database's returns, until work went on."""
    from django.db.models import Q

    from operations.models import Operation, StepRecord

    finished = sorted(
        at.timestamp()
        for at in Operation.objects.values_list("finished_at", flat=True)
        if at is not None
    )

    def to_next_s(at: float) -> float | None:
        """Only where there was something to do: else nothing can be finished soon."""
        then = datetime.fromtimestamp(at, UTC)
        waiting = Operation.objects.filter(created_at__lt=then).filter(
            Q(finished_at=None) | Q(finished_at__gt=then)
        )
        following = next((each for each in finished if each > at), None)
        return following - at if following is not None and waiting.exists() else None

    def longest_s(instants: list[float]) -> float | None:
        known = [took for at in instants if (took := to_next_s(at)) is not None]
        return round(max(known), 1) if known else None

    takeovers = []
    for record in StepRecord.objects.filter(finished_at=None).order_by("id"):
        following = (
            StepRecord.objects.filter(operation=record.operation_id, id__gt=record.id)
            .order_by("id")
            .first()
        )
        if following is not None:
            takeovers += [
                following.started_at.timestamp() - at
                for at in given["kills"]
                if record.started_at.timestamp() <= at <= following.started_at.timestamp()
            ][-1:]
    return {
        "operations": Operation.objects.count(),
        "recovery_after_kill_s": longest_s(given["kills"]),
        "recovery_after_database_s": longest_s(given["database_backs"]),
        "interrupted_steps": len(takeovers),
        "takeover_s": round(max(takeovers), 1) if takeovers else None,
    }


def main(words: list[str]) -> int:
    """Do what the first word says."""
    django.setup()
    if words[0] == "figures":
        answer = figures(json.load(sys.stdin))
    elif words[0] in {"rest", "truth"}:
        answer = wait_empty({"rest": unrest, "truth": untruth}[words[0]], float(words[1]))
    else:
        from tests.cloud.left import leftovers

        answer = wait_empty(leftovers, float(words[1]))
    print(json.dumps(answer, default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The verdict: is all that was promised there, does all agree, is nothing left in the end."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from dataclasses import asdict
from typing import Any

from chaos.client import Client
from chaos.cloud import Cloud, Options
from chaos.tenants import SERVERS
from lab import host as hosts
from lab import network
from tests.portal import eventually

REST_S = 240.0
TRUTH_S = 60.0
DELETE_S = 180.0
CLEAN_S = 90.0
# Damage is noticed within a minute, and mended right after.
INTEGRITY_S = 90.0
STRAYS_S = 45.0
WORDS = 1500


def judge(made: Cloud, options: Options, admin: Client) -> dict[str, Any]:
    """Wait for rest and compare what is with what was promised; then delete, and look again."""
    for number in range(1, options.hosts + 1):
        hosts.wait_ready(made.lab.host(number))
    rest = made.inside("rest", str(REST_S))
    made.journal.say(f"at rest after {rest['took_s']} s; left: {rest['left']}")
    truth = made.inside("truth", str(TRUTH_S))
    made.journal.say(f"hosts and database agree after {truth['took_s']} s; left: {truth['left']}")
    listed = _all_servers(admin)
    findings = [*_words("unrest", rest["left"]), *_words("untruth", truth["left"])]
    findings += made.ledger.findings(listed, made.journal.killed_hosts)
    findings += _integrity(made, "before the deletes")
    instants = {"kills": made.journal.kills, "database_backs": made.journal.database_backs}
    times = made.inside("figures", given=instants)
    findings += _delete_all(made, admin)
    clean = made.inside("clean", str(CLEAN_S))
    findings += _words("left", clean["left"])
    findings += _integrity(made, "after the deletes")
    findings += _strays(made)
    for words in findings:
        made.journal.say(f"WRONG: {words}")
    return {
        **asdict(options),
        "acts": dict(sorted(made.journal.acts.items())),
        "kills": len(made.journal.kills),
        **_counts(made, listed),
        "rest_s": rest["took_s"],
        **times,
        "stuck": sum(len(things) for things in rest["left"].values()),
        "leftovers": sum(len(things) for things in clean["left"].values()),
        "findings": findings,
    }


def _words(what: str, left: dict[str, Any]) -> list[str]:
    return [f"{what}: {kind}: {thing}" for kind, things in left.items() for thing in things]


def _counts(made: Cloud, listed: list[dict[str, Any]]) -> dict[str, Any]:
    statuses = Counter(server["status"] for server in listed)
    reasons = Counter(
        server.get("fault", {}).get("message", "")
        for server in listed
        if server["status"] == "ERROR"
    )
    return {
        "servers_promised": sum(made.ledger.promised.values()),
        "servers_deleted": sum(asked.is_deleted for asked in made.ledger.servers.values()),
        "servers_active": statuses["ACTIVE"],
        "servers_shutoff": statuses["SHUTOFF"],
        "servers_error": statuses["ERROR"],
        "error_reasons": dict(reasons),
    }


def _all_servers(admin: Client) -> list[dict[str, Any]]:
    found = admin.insist("GET", f"{SERVERS}/detail?all_tenants=1")["servers"]
    return [admin.insist("GET", f"{SERVERS}/{server['id']}")["server"] for server in found]


def _integrity(made: Cloud, when: str) -> list[str]:
    """What `manage.py integrity` finds, once the portal has had time to mend what it may."""
    began = time.monotonic()
    while True:
        try:
            words = made.machines[0].manage("integrity").strip()
        except RuntimeError as error:
            words = str(error)
        took_s = time.monotonic() - began
        is_well = words.startswith("0 findings") and "not up" not in words
        if is_well or took_s > INTEGRITY_S:
            break
        made.journal.say(f"integrity {when}: {words[-WORDS:]}")
        time.sleep(2)
    made.journal.say(f"integrity {when}: {words[-WORDS:]}")
    return [] if is_well else [f"integrity {when}: {words[-WORDS:]}"]


def _delete_all(made: Cloud, admin: Client) -> list[str]:
    """Delete every server and wait; what is still there."""
    for server in admin.insist("GET", f"{SERVERS}?all_tenants=1")["servers"]:
        admin.insist("DELETE", f"{SERVERS}/{server['id']}", ok=404)
    left: list[str] = []

    def is_empty() -> bool:
        listed = admin.insist("GET", f"{SERVERS}/detail?all_tenants=1")["servers"]
        left[:] = [f"{each['name']} {each['id']} {each['status']}" for each in listed]
        time.sleep(0.5)
        return not left

    with contextlib.suppress(TimeoutError):
        eventually(is_empty, within_s=DELETE_S)
    made.journal.say(f"all servers deleted; left: {len(left)}")
    return [f"not deleted: {words}" for words in left]


def _strays(made: Cloud) -> list[str]:
    """Processes that should have ended: of killed programs, and of guests that are no more."""
    found: list[str] = []

    def none_left() -> bool:
        found[:] = [f"{each.name}: {words}" for each in made.machines for words in each.strays()]
        for number in network.connected_hosts(made.lab):
            pids = network.processes_in(made.lab.host(number))
            names = [hosts.name_of(pid) for pid in pids]
            found.extend(f"host {number}: {name}" for name in names if name.startswith("qemu"))
        time.sleep(0.2)
        return not found

    with contextlib.suppress(TimeoutError):
        eventually(none_left, within_s=STRAYS_S)
    return [f"stray process: {words}" for words in found]

"""What tenants asked for and were promised, to be compared with what there is at the end."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any


@dataclass
class Asked:
    """One server that a tenant was told of, by its id."""

    name: str
    # A delete was answered with yes, or nobody knows.
    is_deleted: bool = False
    may_be_deleted: bool = False
    # The last power act, and whether a stop may have come after it.
    may_be_off: bool = False


class Ledger:
    """Written by all tenants."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.servers: dict[str, Asked] = {}
        # Requests for several servers: the name they share, and how many were promised.
        self.promised: dict[str, int] = {}
        # Names whose creation has an unknown outcome.
        self.unknown: set[str] = set()

    def created(self, server_id: str, name: str, count: int) -> None:
        """The portal said yes to `count` servers, and named the first."""
        with self._lock:
            self._of(server_id, f"{name}-1" if count > 1 else name)
            self.promised[name] = count

    def create_unknown(self, name: str) -> None:
        """Nobody knows whether these will be."""
        with self._lock:
            self.unknown.add(name)

    def seen(self, server_id: str, name: str) -> None:
        """It is in a tenant's list."""
        with self._lock:
            self._of(server_id, name)

    def deleting(self, server_id: str, *, known: bool) -> None:
        """The portal said yes to a delete, or nobody knows."""
        with self._lock:
            asked = self.servers[server_id]
            asked.may_be_deleted = True
            asked.is_deleted = asked.is_deleted or known

    def power(self, server_id: str, act: str, *, known: bool) -> None:
        """A start, stop or reboot was asked for."""
        with self._lock:
            asked = self.servers[server_id]
            asked.may_be_off = act == "stop" or (asked.may_be_off and not known)

    def _of(self, server_id: str, name: str) -> Asked:
        return self.servers.setdefault(server_id, Asked(name))

    def findings(self, listed: list[dict[str, Any]], killed_hosts: set[str]) -> list[str]:
        """What contradicts the promises, given all servers as an administrator sees them."""
        there = {server["id"]: server for server in listed}
        found = []
        for server_id, asked in self.servers.items():
            server = there.get(server_id)
            if server is None and not asked.may_be_deleted:
                found.append(f"{asked.name} ({server_id}) is lost")
            elif server is not None and asked.is_deleted:
                found.append(f"{asked.name} ({server_id}) was deleted and is {server['status']}")
        for server in listed:
            found += self._of_state(server, killed_hosts)
        return found + self._of_promises(listed) + self._of_names(listed)

    def _of_state(self, server: dict[str, Any], killed_hosts: set[str]) -> list[str]:
        words = f"{server['name']} ({server['id']})"
        status, task = server["status"], server["OS-EXT-STS:task_state"]
        if task is not None:
            return [f"{words} is stuck: {status}, {task}"]
        if status == "ACTIVE":
            return []
        if status == "ERROR":
            has_reason = bool(server.get("fault", {}).get("message"))
            return [] if has_reason else [f"{words} is ERROR without a reason"]
        if status == "SHUTOFF":
            asked = self.servers.get(server["id"])
            host = server.get("OS-EXT-SRV-ATTR:host")
            is_wanted = asked is None or asked.may_be_off or host in killed_hosts
            return [] if is_wanted else [f"{words} is SHUTOFF, and nobody asked for it"]
        return [f"{words} is {status}"]

    def _of_promises(self, listed: list[dict[str, Any]]) -> list[str]:
        """Several servers asked for at once: all were made, though only one was named."""
        known = {server["id"] for server in listed} | set(self.servers)
        names = {asked.name for asked in self.servers.values()}
        names |= {server["name"] for server in listed if server["id"] in known}
        return [
            f"{name}-{number} was promised and never seen"
            for name, count in self.promised.items()
            if count > 1
            for number in range(1, count + 1)
            if f"{name}-{number}" not in names
        ]

    def _of_names(self, listed: list[dict[str, Any]]) -> list[str]:
        """Every name was asked for once, so it is one server's."""
        first = {server["id"]: server["name"] for server in listed}
        first |= {server_id: asked.name for server_id, asked in self.servers.items()}
        found = []
        for name, number in Counter(first.values()).items():
            asked_for = {name, name.rpartition("-")[0]}
            if not asked_for & (set(self.promised) | self.unknown):
                found.append(f"{name} is there, and nobody asked for it")
            if number > 1:
                found.append(f"{name} was made {number} times")
        return found

"""Tenants: they make, use and delete servers, through whichever machine answers."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chaos.client import Answer, Client, OutcomeUnknown
from chaos.journal import Journal
from chaos.ledger import Ledger

SERVERS = "/compute/v2.1/servers"
PAUSE_S = (1.5, 6.0)
MOST_SERVERS = 6
MOST_AT_ONCE = 3
ACTS = {
    "create": 8,
    "create-and-delete": 2,
    "delete": 5,
    "reboot-soft": 2,
    "reboot-hard": 2,
    "stop": 3,
    "start": 3,
    "rename": 2,
}
ACCEPTED = (200, 202, 204)


@dataclass(frozen=True)
class Catalogue:
    """What there is to build servers of; more images are used as time goes on."""

    flavor: str
    images: Sequence[str]

    def image(self, rng: random.Random, part: float) -> str:
        """One of those that are in use after this part of the run."""
        return self.images[rng.randrange(1 + int(part * (len(self.images) - 1)))]


class Tenant:
    """One project's user; the seed decides what is tried, the servers there are what can be."""

    def __init__(
        self, name: str, *, seed: int, client: Client, ledger: Ledger, journal: Journal
    ) -> None:
        self.name = name
        self._rng = random.Random(f"{name} {seed}")
        self._client = client
        self._ledger = ledger
        self._journal = journal
        self._number = 0
        self._acts: dict[str, Callable[[dict[str, Any]], None]] = {
            "delete": self._delete,
            "reboot-soft": lambda server: self._power(server, "reboot", {"type": "SOFT"}),
            "reboot-hard": lambda server: self._power(server, "reboot", {"type": "HARD"}),
            "stop": lambda server: self._power(server, "os-stop", None),
            "start": lambda server: self._power(server, "os-start", None),
            "rename": self._rename,
        }

    def work(self, catalogue: Catalogue, part: Callable[[], float], stop: threading.Event) -> None:
        """Act, pause, act, until told to stop; `part` says how much of the run is over."""
        while not stop.wait(self._rng.uniform(*PAUSE_S)):
            kind = self._rng.choices(list(ACTS), weights=list(ACTS.values()))[0]
            try:
                self._act(kind, catalogue, part())
            except OutcomeUnknown as error:
                self._journal.say(f"{self.name}: no answer: {error}")

    def _act(self, kind: str, catalogue: Catalogue, part: float) -> None:
        servers = self._client.ask("GET", f"{SERVERS}/detail").body["servers"]
        for server in servers:
            self._ledger.seen(server["id"], server["name"])
        if kind.startswith("create") or not servers:
            most = min(MOST_AT_ONCE, MOST_SERVERS - len(servers))
            if most > 0:
                self._create(kind, catalogue.image(self._rng, part), catalogue.flavor, most)
            return
        self._acts[kind](self._rng.choice(servers))

    def _create(self, kind: str, image: str, flavor: str, most: int) -> None:
        self._number += 1
        name = f"{self.name}-{self._number}"
        count = self._rng.randint(1, most)
        wanted = {"name": name, "imageRef": image, "flavorRef": flavor, "networks": "auto"}
        body = {"server": {**wanted, "min_count": count, "max_count": count}}
        try:
            answer = self._client.ask("POST", SERVERS, body)
        except OutcomeUnknown:
            self._ledger.create_unknown(name)
            raise
        self._note("create", f"{name} ({count})", answer)
        if answer.status not in ACCEPTED:
            return
        server_id = answer.body["server"]["id"]
        self._ledger.created(server_id, name, count)
        if kind == "create-and-delete":
            self._delete({"id": server_id, "name": name})

    def _delete(self, server: dict[str, Any]) -> None:
        self._ledger.deleting(server["id"], known=False)
        answer = self._client.ask("DELETE", f"{SERVERS}/{server['id']}")
        self._note("delete", server["name"], answer)
        self._ledger.deleting(server["id"], known=answer.status in ACCEPTED)

    def _power(self, server: dict[str, Any], action: str, value: Any) -> None:
        act = action.removeprefix("os-")
        if act == "stop":
            self._ledger.power(server["id"], act, known=False)
        path = f"{SERVERS}/{server['id']}/action"
        answer = self._client.ask("POST", path, {action: value})
        self._note(act, server["name"], answer)
        if answer.status in ACCEPTED and act != "stop":
            self._ledger.power(server["id"], act, known=True)

    def _rename(self, server: dict[str, Any]) -> None:
        name = f"{server['name']}-renamed" if "renamed" not in server["name"] else server["name"]
        answer = self._client.ask("PUT", f"{SERVERS}/{server['id']}", {"server": {"name": name}})
        self._note("rename", server["name"], answer)

    def _note(self, act: str, what: str, answer: Answer) -> None:
        """Refusals are counted apart: a server that is busy says so."""
        kind = act if answer.status in ACCEPTED else f"{act}-refused"
        self._journal.act(kind, f"{self.name}: {act} {what}: {answer.status}")

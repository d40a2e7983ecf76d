"""Does the harm that was planned, when it is due, and undoes all of it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from chaos.database import Database
from chaos.journal import Journal
from chaos.machine import Machine
from chaos.schedule import Harm
from lab import harm as harms
from lab import host as hosts
from lab import network
from lab.lab import cut_power
from lab.plan import HostPlan, LabPlan

Act = Callable[[int], str | None]


class Disturber:
    """Knows the parts of the cloud; one act at a time, while earlier ones last."""

    def __init__(
        self,
        *,
        lab: LabPlan,
        machines: list[Machine],
        database: Database | None,
        journal: Journal,
        seed: int,
    ) -> None:
        self._lab = lab
        self._machines = machines
        self._database = database
        self._journal = journal
        self._rng = random.Random(f"disturber {seed}")
        self._going: list[Harm] = []
        self._do: dict[str, Act] = {
            "kill-worker-child": lambda n: self._machine(n).kill_one(
                "worker", self._rng, parent=False
            ),
            "kill-worker-parent": lambda n: self._machine(n).kill_one(
                "worker", self._rng, parent=True
            ),
            "kill-worker": lambda n: self._machine(n).kill("worker"),
            "kill-transfer": lambda n: self._machine(n).kill("transfer"),
            "kill-web": lambda n: self._machine(n).kill("web"),
            "kill-keeper": lambda n: self._machine(n).kill("keeper"),
            "kill-machine": lambda n: self._machine(n).power_off(),
            "stop-database": self._crash_database,
            "kill-libvirtd": lambda n: harms.kill_daemon(self._host(n), "libvirtd"),
            "kill-sshd": lambda n: harms.kill_daemon(self._host(n), "sshd"),
            "cut-link": lambda n: harms.cut_link(self._host(n)),
            "freeze-host": lambda n: harms.freeze(self._host(n)),
            "kill-host": self._kill_host,
            "fill-pool": lambda n: harms.fill_pool(self._host(n)),
        }
        self._undo: dict[str, Act] = {
            "kill-machine": lambda n: self._machine(n).start(),
            "stop-database": self._start_database,
            "kill-libvirtd": self._start_host,
            "kill-sshd": self._start_host,
            "cut-link": lambda n: harms.join_link(self._host(n)),
            "freeze-host": lambda n: harms.thaw(self._host(n)),
            "kill-host": self._start_host,
            "fill-pool": lambda n: harms.empty_pool(self._host(n)),
        }

    def work(self, plan: list[Harm], stop: threading.Event) -> None:
        """Go through the plan; at its end, or when told to stop, everything is whole again."""
        began = time.monotonic()
        try:
            for harm in plan:
                self._wait_until(began, harm.at_s, stop)
                if stop.is_set():
                    return
                self._begin(harm)
            last = max((harm.until_s for harm in plan), default=0.0)
            self._wait_until(began, last, stop)
        finally:
            self.restore()

    def restore(self) -> None:
        """Undo whatever lasts."""
        for harm in list(self._going):
            self._end(harm)

    def _wait_until(self, began: float, at_s: float, stop: threading.Event) -> None:
        """Wait for the next act, and undo what is over meanwhile."""
        while not stop.is_set():
            now_s = time.monotonic() - began
            for harm in [each for each in self._going if each.until_s <= now_s]:
                self._end(harm)
            if time.monotonic() - began >= at_s:
                return
            ends = [harm.until_s for harm in self._going]
            stop.wait(max(0.0, min([at_s, *ends]) - (time.monotonic() - began)))

    def _begin(self, harm: Harm) -> None:
        if harm.lasts_s:
            self._going.append(harm)
        at = time.time()
        victim = self._do[harm.kind](harm.target)
        self._journal.act(harm.kind, f"{harm}{f' ({victim})' if victim else ''}")
        if harm.kind.startswith("kill-") and harm.kind not in {"kill-libvirtd", "kill-sshd"}:
            self._journal.kills.append(at)

    def _end(self, harm: Harm) -> None:
        self._undo[harm.kind](harm.target)
        self._going.remove(harm)
        self._journal.say(f"undone: {harm}")

    def _machine(self, number: int) -> Machine:
        return self._machines[number - 1]

    def _host(self, number: int) -> HostPlan:
        return self._lab.host(number)

    def _kill_host(self, number: int) -> None:
        self._journal.killed_hosts.add(self._host(number).name)
        cut_power(self._lab, self._host(number))

    def _start_host(self, number: int) -> None:
        host = self._host(number)
        network.connect(self._lab, host)
        hosts.start(host)
        hosts.wait_ready(host)

    def _crash_database(self, _: int) -> None:
        if self._database is not None:
            self._database.crash()

    def _start_database(self, _: int) -> None:
        if self._database is not None:
            self._database.start()
            self._journal.database_backs.append(time.time())

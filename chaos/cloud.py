"""The cloud under test: machines, hosts and a database of its own, made and taken away."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.client import Client, Login
from chaos.database import Database
from chaos.journal import Journal
from chaos.ledger import Ledger
from chaos.machine import Machine
from lab.lab import down, status, up
from lab.plan import LabPlan
from tests.portal import ROOT

POOL_MIB = 24 * 1024


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    seed: int
    minutes: float
    machines: int = 2
    hosts: int = 3
    database: str = "postgres"


@dataclass
class Cloud:
    """All parts of the cloud under test."""

    lab: LabPlan
    machines: list[Machine]
    database: Database | None
    logs: Path
    journal: Journal
    ledger: Ledger = field(default_factory=Ledger)

    def admin(self) -> Client:
        """A client that may do everything."""
        lines = (self.machines[0].var / "credentials").read_text().splitlines()
        password = next(line.split()[1] for line in lines if line.startswith("admin "))
        urls = [machine.url for machine in self.machines]
        return Client(urls, Login("admin", password, "admin"), random.Random(0))

    def inside(self, *words: str, given: Any = None) -> dict[str, Any]:
        """What `chaos.inside` answers, asked with the settings of the first machine."""
        done = subprocess.run(
            [sys.executable, "-m", "chaos.inside", *words],
            cwd=ROOT,
            env=self.machines[0].environment,
            input=json.dumps(given),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"chaos.inside {words[0]}: {done.stdout}{done.stderr}")
        answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return answer


@contextlib.contextmanager
def cloud(options: Options, logs: Path) -> Iterator[Cloud]:
    """Make machines, hosts and a database; take all of them away, whatever happens."""
    number = os.getpid() % 8000
    subnet = ipaddress.IPv4Network(f"10.{128 + number // 250}.{number % 250}.0/24")
    with contextlib.ExitStack() as undo:
        # Short, since Unix sockets lie below it.
        work = Path(tempfile.mkdtemp(prefix="cpc-"))
        undo.callback(shutil.rmtree, work, ignore_errors=True)
        journal = Journal(logs / "acts.log")
        undo.callback(journal.close)
        lab = LabPlan(f"x{number}", subnet, work)
        undo.callback(down, lab)
        _bring_up_bridge(lab, options.machines)
        database = None
        if options.database == "postgres":
            database = Database(lab.gateway, str(subnet))
            undo.callback(database.remove, logs / "postgres.log")
            database.make()
        machines = _machines(lab, options, work, logs, database)
        for machine in machines:
            undo.callback(machine.end)
        made = Cloud(lab, machines, database, logs, journal)
        _set_up(made, options)
        yield made


def _bring_up_bridge(lab: LabPlan, machines: int) -> None:
    lab.folder.mkdir(parents=True)
    up(lab, count=0, authorized_key="", machines=machines)


def _machines(
    lab: LabPlan, options: Options, work: Path, logs: Path, database: Database | None
) -> list[Machine]:
    environment = {"CLOUDPORTAL_IMAGES": str(work / "images")}
    if database is not None:
        environment["DATABASE_URL"] = database.url
    (work / "images").mkdir(mode=0o700)
    return [
        Machine(lab.machine(number), var=work / f"m{number}", logs=logs, environment=environment)
        for number in range(1, options.machines + 1)
    ]


def _set_up(made: Cloud, options: Options) -> None:
    """What an operator does: set-up on each machine, then hosts; and the tenants' means."""
    first = made.machines[0]
    for machine in made.machines:
        machine.var.mkdir(mode=0o700)
        if machine is not first:
            for name in ("secret_key", "credentials"):
                shutil.copy(first.var / name, machine.var / name)
        machine.manage("setup", "--no-hypervisor")
    key = first.manage("hypervisor", "key")
    up(made.lab, count=options.hosts, authorized_key=key, pool_mib=POOL_MIB)
    first.manage("lab_hosts", "add", given=json.dumps(status(made.lab)))
    for machine in made.machines:
        machine.start()
    made.journal.say(f"{len(made.machines)} machines and {options.hosts} hosts are there")

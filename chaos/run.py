"""One run: a cloud of its own is made, worked on and harmed, judged, and taken away."""

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
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.client import Client, Login, OutcomeUnknown
from chaos.database import Database
from chaos.disturber import Disturber
from chaos.journal import Journal
from chaos.ledger import Ledger
from chaos.machine import Machine
from chaos.schedule import plan
from chaos.sleeper import write_image
from chaos.tenants import SERVERS, Catalogue, Tenant
from lab import host as hosts
from lab.lab import down, status, up
from lab.plan import LabPlan
from tests.portal import ROOT, eventually

TENANTS = 3
IMAGES = 4
IMAGE_MIB = 8
POOL_MIB = 24 * 1024
FLAVOR = {"name": "chaos.nano", "ram": 64, "vcpus": 1, "disk": 1}
REST_S = 240.0
DELETE_S = 180.0
CLEAN_S = 90.0
STRAYS_S = 45.0


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


def _catalogue(made: Cloud, admin: Client) -> Catalogue:
    flavor = admin.insist("POST", "/compute/v2.1/flavors", {"flavor": FLAVOR})["flavor"]["id"]
    images = []
    for number in range(IMAGES):
        path = made.machines[0].var / f"image-{number}.raw"
        write_image(path, mib=IMAGE_MIB, seed=number)
        wanted = {
            "name": f"sleeper-{number}",
            "disk_format": "raw",
            "container_format": "bare",
            "visibility": "public",
        }
        image = admin.insist("POST", "/image/v2/images", wanted)["id"]
        admin.insist("PUT", f"/image/v2/images/{image}/file", path)
        images.append(image)
    return Catalogue(flavor, images)


def _tenants(made: Cloud, admin: Client, seed: int) -> list[Tenant]:
    roles = admin.insist("GET", "/identity/v3/roles")["roles"]
    member = next(role["id"] for role in roles if role["name"] == "member")
    urls = [machine.url for machine in made.machines]
    found = []
    for number in range(1, TENANTS + 1):
        name = f"t{number}"
        password = f"chaos-{seed}-{random.getrandbits(48):x}"
        project = admin.insist("POST", "/identity/v3/projects", {"project": {"name": name}})
        user = admin.insist(
            "POST", "/identity/v3/users", {"user": {"name": name, "password": password}}
        )
        ids = (project["project"]["id"], user["user"]["id"])
        admin.insist("PUT", f"/identity/v3/projects/{ids[0]}/users/{ids[1]}/roles/{member}")
        client = Client(urls, Login(name, password, name), random.Random(f"{name} urls {seed}"))
        found.append(
            Tenant(name, seed=seed, client=client, ledger=made.ledger, journal=made.journal)
        )
    return found


def run(options: Options, logs: Path) -> dict[str, Any]:
    """Do it all; the figures, with what is wrong under `findings`."""
    with cloud(options, logs) as made:
        admin = made.admin()
        retry_login(admin)
        catalogue = _catalogue(made, admin)
        tenants = _tenants(made, admin, options.seed)
        _work(made, options, catalogue, tenants)
        return _judge(made, options, admin)


def retry_login(admin: Client) -> None:
    """Wait until the machines answer."""

    def answers() -> bool:
        with contextlib.suppress(OutcomeUnknown):
            return admin.ask("GET", "/compute/v2.1/flavors").status == 200
        return False

    eventually(answers, within_s=120, what="the portal answers")


def _work(made: Cloud, options: Options, catalogue: Catalogue, tenants: list[Tenant]) -> None:
    seconds = options.minutes * 60
    stop = threading.Event()
    disturber = Disturber(
        lab=made.lab,
        machines=made.machines,
        database=made.database,
        journal=made.journal,
        seed=options.seed,
    )
    harms = plan(
        seed=options.seed,
        seconds=seconds,
        machines=options.machines,
        hosts=options.hosts,
        has_database=made.database is not None,
    )
    began = time.monotonic()

    def part() -> float:
        return min(1.0, (time.monotonic() - began) / seconds)

    with ThreadPoolExecutor(max_workers=len(tenants) + 1) as pool:
        works = [pool.submit(tenant.work, catalogue, part, stop) for tenant in tenants]
        works.append(pool.submit(disturber.work, harms, stop))
        try:
            while part() < 1 and all(not work.done() for work in works[:-1]):
                time.sleep(0.2)
        finally:
            stop.set()
        for work in works:
            work.result()
    made.journal.say("the acts are over; all is restored")


def _judge(made: Cloud, options: Options, admin: Client) -> dict[str, Any]:
    for number in range(1, options.hosts + 1):
        hosts.wait_ready(made.lab.host(number))
    rest = made.inside("rest", str(REST_S))
    made.journal.say(f"at rest after {rest['took_s']} s; left: {rest['left']}")
    listed = _all_servers(admin)
    findings = [f"unrest: {kind}: {thing}" for kind, rows in rest["left"].items() for thing in rows]
    findings += made.ledger.findings(listed, made.journal.killed_hosts)
    findings += _integrity(made, "before the deletes")
    times = made.inside(
        "figures",
        given={"kills": made.journal.kills, "database_backs": made.journal.database_backs},
    )
    undeleted = _delete_all(made, admin)
    findings += [f"not deleted: {words}" for words in undeleted]
    clean = made.inside("clean", str(CLEAN_S))
    findings += [f"left: {kind}: {what}" for kind, what in clean["left"].items()]
    findings += _integrity(made, "after the deletes")
    findings += _strays(made)
    for words in findings:
        made.journal.say(f"WRONG: {words}")
    statuses = [server["status"] for server in listed]
    return {
        "seed": options.seed,
        "minutes": options.minutes,
        "machines": options.machines,
        "hosts": options.hosts,
        "database": options.database,
        "acts": dict(sorted(made.journal.acts.items())),
        "kills": len(made.journal.kills),
        "servers_promised": sum(made.ledger.promised.values()),
        "servers_deleted": sum(asked.is_deleted for asked in made.ledger.servers.values()),
        "servers_active": statuses.count("ACTIVE"),
        "servers_shutoff": statuses.count("SHUTOFF"),
        "servers_error": statuses.count("ERROR"),
        "rest_s": rest["took_s"],
        **times,
        "stuck": sum(len(things) for things in rest["left"].values()),
        "leftovers": sum(len(things) for things in clean["left"].values()),
        "findings": findings,
    }


def _all_servers(admin: Client) -> list[dict[str, Any]]:
    found = admin.insist("GET", f"{SERVERS}/detail?all_tenants=1")["servers"]
    return [admin.insist("GET", f"{SERVERS}/{server['id']}")["server"] for server in found]


def _integrity(made: Cloud, when: str) -> list[str]:
    """What `manage.py integrity` finds, in its own words."""
    try:
        words = made.machines[0].manage("integrity")
    except RuntimeError as error:
        return [f"integrity {when}: {error}"]
    made.journal.say(f"integrity {when}: {words.strip()}")
    return [] if words.startswith("0 findings") else [f"integrity {when}: {words.strip()}"]


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
    return left


def _strays(made: Cloud) -> list[str]:
    """Processes that a killed one left, and that did not end by themselves in some time."""
    found: list[str] = []

    def none_left() -> bool:
        found[:] = [
            f"{machine.name}: {each}" for machine in made.machines for each in machine.strays()
        ]
        time.sleep(0.2)
        return not found

    with contextlib.suppress(TimeoutError):
        eventually(none_left, within_s=STRAYS_S)
    return [f"stray process: {words}" for words in found]

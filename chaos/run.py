"""One run: a cloud of its own is made, worked on and harmed, judged, and taken away."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from chaos.client import Client, Login, OutcomeUnknown
from chaos.cloud import Cloud, Options, cloud
from chaos.disturber import Disturber
from chaos.judge import judge
from chaos.schedule import plan
from chaos.sleeper import write_image
from chaos.tenants import Catalogue, Tenant
from tests.portal import eventually

TENANTS = 3
IMAGES = 4
IMAGE_MIB = 8
FLAVOR = {"name": "chaos.nano", "ram": 64, "vcpus": 1, "disk": 1}


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
        _wait_for_answers(admin)
        catalogue = _catalogue(made, admin)
        tenants = _tenants(made, admin, options.seed)
        _work(made, options, catalogue, tenants)
        return judge(made, options, admin)


def _wait_for_answers(admin: Client) -> None:
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

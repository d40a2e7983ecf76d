"""A database that restarts under load costs errors in flight, never a server."""

from __future__ import annotations

import collections
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from tests.cloud import blink
from tests.database.conftest import Answer, asker
from tests.portal import Portal, eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]

# What the portal promises, from the moment at which the database is back.
RECOVERED_WITHIN_S = 30.0


@dataclass
class Creator:
    """Asks for servers, one after the other, and keeps every answer."""

    portal: Portal
    token: str
    body: dict[str, Any]
    answers: dict[str, Answer] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        number = 0
        while not self.stop.wait(0.15) and number < 200:
            number += 1
            name = f"load-{number}"
            self.answers[name] = self.ask_for(name)

    def ask_for(self, name: str) -> Answer:
        body = {"server": {**self.body, "name": name}}
        return asker(self.portal, self.token)("/servers", body)


def health(portal: Portal) -> int:
    try:
        with urllib.request.urlopen(f"{portal.url}/healthz", timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def names(connection) -> collections.Counter[str]:
    return collections.Counter(server.name for server in connection.compute.servers())


def is_active(connection, server_id: str) -> bool:
    return bool(connection.compute.get_server(server_id).status == "ACTIVE")


@pytest.mark.parametrize("mode", ["immediate", pytest.param("fast", marks=pytest.mark.long)])
def test_a_restart_under_load_loses_and_doubles_nothing(empty_site, mode, record_property):
    portal, database = empty_site.portal, empty_site.database
    demo = portal.connection()
    admin = portal.connection("cloudportal-admin")
    project = demo.current_project_id
    admin.compute.update_quota_set(project, instances=300, cores=-1, ram=-1)
    # Too large for any host, so that most of the load costs no emulated guest.
    flavor = demo.compute.find_flavor("m1.tiny")
    too_large = admin.compute.find_flavor("too-large") or admin.compute.create_flavor(
        name="too-large", ram=128, vcpus=1, disk=500_000
    )
    image = demo.image.find_image(blink.NAME)
    fields = {"imageRef": image.id, "networks": "auto"}
    real = [
        demo.compute.create_server(
            name=f"real-{number}", image_id=image.id, flavor_id=flavor.id, networks="auto"
        )
        for number in range(2)
    ]
    creator = Creator(portal, demo.auth_token, {**fields, "flavorRef": too_large.id})
    asking = threading.Thread(target=creator.run)
    asking.start()
    try:
        eventually(lambda: len(creator.answers) >= 5, what="servers are asked for")
        database.stop(mode)
        eventually(lambda: health(portal) == 503, within_s=10, what="the portal says so")
        seen = len(creator.answers)
        eventually(lambda: len(creator.answers) >= seen + 10, what="requests are refused")
        database.start()
        back = time.monotonic()
        eventually(portal.is_healthy, within_s=RECOVERED_WITHIN_S, what="the portal is healthy")
        before = len(creator.answers)
        eventually(
            lambda: any(a.status == 202 for a in list(creator.answers.values())[before:]),
            within_s=RECOVERED_WITHIN_S,
            what="servers can be asked for again",
        )
        # The queue, the workers and the keeper too: what is asked for now is seen through.
        late = creator.ask_for("late")
        eventually(
            lambda: demo.compute.get_server(late.body["server"]["id"]).status == "ERROR",
            within_s=RECOVERED_WITHIN_S,
            what="an operation that was asked for after the restart is over",
        )
        worked_after_s = time.monotonic() - back
    finally:
        creator.stop.set()
        asking.join(60)
        if not database.is_running:
            database.start()

    answers = collections.Counter(answer.status for answer in creator.answers.values())
    record_property("worked_after_s", round(worked_after_s, 1))
    record_property("answers", dict(answers))
    # Every answer is a yes or a clear "not now", in the API's own words.
    assert set(answers) == {202, 503}
    refused = [answer for answer in creator.answers.values() if answer.status == 503]
    assert all(each.retry_after for each in refused)
    assert all(each.body["serviceUnavailable"]["code"] == 503 for each in refused)
    # What was accepted is there, once; what was refused may have been committed just before.
    found = names(demo)
    accepted = {name for name, answer in creator.answers.items() if answer.status == 202}
    assert accepted <= set(found)
    assert set(found.values()) == {1}
    # And comes to its end.
    for server in real:
        eventually(
            partial(is_active, demo, server.id),
            within_s=RECOVERED_WITHIN_S + 120,
            what="a build that was under way goes on",
        )
    eventually(
        lambda: not [s for s in demo.compute.servers() if s.status == "BUILD"],
        within_s=120,
        what="no server is left on its way",
    )
    assert worked_after_s < RECOVERED_WITHIN_S

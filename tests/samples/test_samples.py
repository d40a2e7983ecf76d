"""The samples in docs/api/samples are what the API takes and gives; `make api-samples` writes them.

A file is `<resource>/<microversion>/<name>-req.json` or `-resp.json`. The answer at a microversion
without a file is like that at the newest one before.
"""

from __future__ import annotations

import json
from pathlib import Path
from string import Template
from typing import Any
from uuid import UUID

import pytest

from cloudportal.api.microversions import Microversion
from cloudportal.api.openapi import schema_of
from servers.api.actions import ACTIONS
from servers.models import Server
from tests.authorisation import client_as
from tests.compute_more import add_console, add_more, add_nodes
from tests.compute_world import NOTHING, World, make_world
from tests.endpoints import Call, compute_calls
from tests.hypervisors.factories import guest_spec
from tests.hypervisors.fake_guests import FakeGuest
from tests.hypervisors.fake_host import installed
from tests.samples.catalogue import SAMPLES
from tests.samples.sample import Sample
from tests.samples.stable import PUBLIC_URL, Stable

FOLDER = Path(__file__).parents[2] / "docs/api/samples"
ALL = [
    (sample, microversion) for sample in SAMPLES for microversion in sample.microversions.split()
]


def _file(sample: Sample, microversion: str, suffix: str) -> Path:
    return FOLDER / sample.resource / microversion / f"{sample.name}-{suffix}.json"


def _files(sample: Sample, microversion: str, world: World) -> dict[Path, str]:
    """Make the call; what its files have to be."""
    stable = Stable()
    Server.objects.update(vm_state=sample.vm_state)
    method, route = sample.call.split()
    for variable, name in sample.names.items():
        route = route.replace(f"{{{variable}}}", world.names.get(name, name))
    body = None
    sent: dict[str, Any] = {}
    if sample.body is not None:
        body = json.loads(Template(json.dumps(sample.body)).substitute(world.names))
        sent = {"data": json.dumps(body), "content_type": "application/json"}
    answer = client_as(sample.who, microversion).generic(method, world.path(route), **sent)
    assert _is_as_meant(sample, answer), answer.content
    found = {}
    if body is not None:
        found[_file(sample, microversion, "req")] = _text(stable.value(body))
    if answer.content and not sample.is_request_alone:
        found[_file(sample, microversion, "resp")] = _text(stable.value(answer.json()))
    return found


def _is_as_meant(sample: Sample, answer: Any) -> bool:
    if sample.is_request_alone:
        # The body is looked at before the server's state and its host.
        words = answer.content.decode()
        return "Invalid input" not in words and "no such action" not in words
    return bool(answer.status_code == sample.status if sample.status else answer.status_code < 400)


def _text(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _prepare(world: World, sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    if sample.world == "more":
        add_more(world)
    if sample.world == "console":
        add_console(world)
    if sample.world == "nodes":
        add_nodes(world)
    if sample.world == "domains":
        installed(monkeypatch)["host1"].make_foreign(uuid=UUID(NOTHING))
    if sample.world == "guest":
        server = world.servers[0]
        hosts = installed(monkeypatch)
        hosts["host1"].guests[server.pk] = FakeGuest(guest_spec(uuid=server.pk), "running")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("sample", "microversion"),
    [pytest.param(*each, id=f"{each[0].resource}-{each[0].name}-{each[1]}") for each in ALL],
)
def test_the_api_takes_and_gives_what_the_sample_says(
    sample, microversion, rewrite, settings, monkeypatch
):
    settings.PUBLIC_URL = PUBLIC_URL
    world = make_world()
    _prepare(world, sample, monkeypatch)
    found = _files(sample, microversion, world)

    if rewrite:
        for path, text in found.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    assert {path: path.read_text() if path.exists() else "" for path in found} == found


def test_there_is_no_file_without_its_sample():
    known = {
        _file(sample, microversion, suffix)
        for sample, microversion in ALL
        for suffix in ("req", "resp")
    }

    assert set(FOLDER.rglob("*.json")) <= known


def _sampled(call: str, action: str = "") -> set[str]:
    """The microversions at which there is a sample of a call, or of an action on a server."""
    return {
        microversion
        for sample in SAMPLES
        if sample.call.partition("?")[0] == call and (not action or action in (sample.body or {}))
        for microversion in sample.microversions.split()
    }


def _changes(call: Call) -> list[str]:
    """The microversions at which the documented form of a call with a body changed."""
    found = []
    before = ""
    for minor in range(call.first.minor, call.last.minor + 1):
        version = Microversion(2, minor)
        answers = call.documentation.answers_at(version)
        bodies = [call.documentation.request, *answers.values()]
        form = json.dumps([schema_of(each, version) if each else None for each in bodies])
        if any(bodies) and form != before:
            found.append(str(version))
        before = form
    return found


@pytest.mark.parametrize("call", compute_calls(), ids=str)
def test_there_is_a_sample_of_each_call_at_each_microversion_that_changed_it(call):
    # The older name of servers has the same forms; actions have forms of their own, below.
    if call.route.startswith("os-volumes_boot") or call.route.endswith("{server_id}/action"):
        return

    assert [each for each in _changes(call) if each not in _sampled(str(call))] == []


@pytest.mark.parametrize("name", ACTIONS)
def test_there_is_a_sample_of_each_body_of_an_action(name):
    sampled = _sampled("POST servers/{server_id}/action", name)

    assert [each for each in ACTIONS[name].body if each not in sampled] == []

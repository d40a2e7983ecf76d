"""`manage.py hypervisor drain` shows the plan, and changes it."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from hypervisors.models import Hypervisor
from maintenance.models import Drain

pytestmark = pytest.mark.django_db


def run(*words) -> str:
    out = io.StringIO()
    call_command("hypervisor", *words, stdout=out)
    return out.getvalue()


@pytest.fixture
def server(host, active):
    Hypervisor.objects.create(
        name="beta", uri="qemu+ssh://root@beta/system", state="up", vcpus=8, ram_mib=16384,
        disk_gib=100,
    )  # fmt: skip
    return active("web")


def test_a_plan_is_shown_with_the_destination_of_each_server(server):
    said = run("drain", "alpha", "--plan", "--max-at-once", "2")

    [head, names, line] = said.splitlines()
    drain = Drain.objects.get()
    assert head == (
        f"The plan {drain.pk} to drain alpha is planned: 1 servers: 1 waiting; 2 at a time."
    )
    assert names.split() == ["SERVER", "NAME", "STATUS", "WAY", "STATE", "DESTINATION", "REASON"]
    assert line.split()[:6] == [str(server.pk), "web", "ACTIVE", "live", "waiting", "beta"]
    assert run("drain", "alpha") == said


def test_for_programs_it_is_json(server):
    run("drain", "alpha", "--plan", "--leave-stopped")

    shown = json.loads(run("drain", "alpha", "--json"))

    assert (shown["state"], shown["moves_stopped"]) == ("planned", False)
    assert [each["id"] for each in shown["items"]] == [str(server.pk)]


def test_each_change_is_the_use_cases(server):
    run("drain", "alpha", "--plan")

    for option, state in (
        ("--start", "running"),
        ("--pause", "paused"),
        ("--resume", "running"),
        ("--cancel", "cancelled"),
    ):
        run("drain", "alpha", option)
        assert Drain.objects.get().state == state


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (("drain", "alpha"), "has no plan to be drained"),
        (("drain", "alpha", "--start"), "has no plan to be drained"),
        (("drain", "gamma", "--plan"), "There is no hypervisor gamma"),
        (("drain", "alpha", "--start", "--max-at-once", "2"), "belong to --plan"),
        (("drain", "alpha", "--plan", "--max-at-once", "0"), "From 1 to 16"),
    ],
)
def test_what_cannot_be_is_refused(server, words, refusal):
    with pytest.raises(CommandError, match=refusal):
        run(*words)


def test_the_other_verbs_are_there_as_before(server):
    assert "alpha" in run("list")

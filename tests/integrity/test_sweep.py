"""What is found is kept, closed when it is gone, and repaired by durable operations."""

from __future__ import annotations

import sys
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from hypervisors import connections
from hypervisors.libvirt.errors import DriverError
from hypervisors.libvirt.network import DhcpHost
from integrity.models import Finding, Sweep
from integrity.request_repairs import request_repairs
from integrity.states import FindingKind
from integrity.sweep import sweep
from tests.integrity.conftest import run_everything
from tests.servers.operations.conftest import wake

pytestmark = pytest.mark.django_db(transaction=True)


def take_away_dhcp(world):
    [network] = world.host.networks.values()
    network.entries = []


def test_a_world_in_order_has_no_findings(world):
    world.look()

    assert not Finding.objects.exists()


def test_a_finding_is_opened_once_and_closed_when_it_is_gone(world):
    [network] = world.host.networks.values()
    entries = list(network.entries)
    take_away_dhcp(world)

    world.look()
    world.look()
    sightings = Finding.objects.get().sightings
    network.entries = entries
    world.look()

    assert sightings == 2
    assert not Finding.objects.open().exists()
    assert Finding.objects.past().count() == 1


def test_the_timer_finds_and_repairs_by_itself(world):
    take_away_dhcp(world)

    sweep(timezone.now())
    found = Finding.objects.open().get().kind
    run_everything()
    row = sweep(timezone.now())

    assert found == FindingKind.DHCP_MISSING
    assert not Finding.objects.open().exists()
    assert Sweep.objects.get(pk=row.pk).findings == 0
    assert row.hosts == ["host1"]


def test_a_host_that_does_not_answer_keeps_its_findings_and_is_named(world):
    take_away_dhcp(world)
    world.look()
    world.host.is_down = True

    row = sweep(timezone.now())

    assert row.unanswered == ["host1"]
    assert Finding.objects.open().count() == 1


def test_a_repair_that_fails_says_why_and_waits_longer_each_time(world):
    take_away_dhcp(world)
    world.look()
    world.host.fail_on("ensure_dhcp_host", DriverError("no room"), times=9)

    request_repairs(Finding.objects.open(), now=timezone.now())
    run_everything()
    finding = Finding.objects.open().get()
    at_once = request_repairs(Finding.objects.open(), now=timezone.now())
    later = request_repairs(Finding.objects.open(), now=timezone.now() + timedelta(minutes=1))

    assert (finding.attempts, finding.error) == (1, "The server's host failed.")
    assert at_once == []
    assert len(later) == 1


def test_what_could_be_in_the_making_is_repaired_when_it_is_seen_again(world):
    [network] = world.host.networks.values()
    network.entries.append(DhcpHost("fa:16:3e:99:99:99", "10.20.3.9", None))
    world.look()

    first = request_repairs(Finding.objects.open(), now=timezone.now())
    world.look()
    second = request_repairs(Finding.objects.open(), now=timezone.now())

    assert first == []
    assert len(second) == 1


def test_a_repair_does_nothing_about_what_is_well_again(world):
    [network] = world.host.networks.values()
    entries = list(network.entries)
    take_away_dhcp(world)
    world.look()

    request_repairs(Finding.objects.open(), now=timezone.now())
    network.entries = entries
    world.host.calls.clear()
    run_everything()

    assert not Finding.objects.open().exists()
    assert world.host.calls == ["survey"]


def test_a_repair_that_died_half_way_is_gone_on_with(world, monkeypatch):
    """The network runs, but its addresses and the plugging in are still to be done."""
    [network] = world.host.networks.values()
    network.is_active = False
    entries, network.entries = network.entries, []
    world.look()
    [operation] = request_repairs(Finding.objects.open(), now=timezone.now(), at_once=True)
    monkeypatch.setattr("hypervisors.links.ensure_dhcp_host", lambda *a, **k: sys.exit())

    with pytest.raises(SystemExit):
        wake(operation)
    monkeypatch.undo()
    installed_again(monkeypatch, world)
    run_everything()

    assert network.is_active
    assert [(each.mac, each.ip) for each in network.entries] == [
        (each.mac, each.ip) for each in entries
    ]
    assert "replug" in world.host.calls


def installed_again(monkeypatch, world):
    monkeypatch.setattr(connections, "open_host", world.hosts.open)


def test_the_command_says_what_is_wrong_and_what_would_be_done(world):
    take_away_dhcp(world)
    said = StringIO()

    with pytest.raises(CommandError):
        call_command("integrity", stdout=said)

    assert "1 finding, checked 0 s ago" in said.getvalue()
    assert "DHCP entry missing or wrong" in said.getvalue()
    assert "Automatic: Give" in said.getvalue()


def test_the_command_says_that_all_is_well(world):
    said = StringIO()

    call_command("integrity", stdout=said)

    assert said.getvalue().startswith("0 findings, checked 0 s ago")

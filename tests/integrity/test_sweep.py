"""What is found is kept, closed when it is gone, and repaired by durable operations."""

from __future__ import annotations

import pytest
from django.utils import timezone

from integrity.models import Finding, Sweep
from integrity.states import FindingKind
from integrity.sweep import sweep
from tests.integrity.conftest import run_everything

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

"""A server that changes its size on its own host holds both sizes meanwhile, and no more."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
from django.db import transaction
from django.utils import timezone

from hypervisors.models import Hypervisor
from scheduling.errors import NoValidHost
from scheduling.models import Allocation, Decision
from scheduling.place import place_server
from scheduling.request_spec import RequestSpec
from scheduling.stay import hold_just, stay_on_host
from tests.scheduling.hosts import make_host

pytestmark = pytest.mark.django_db

OLD = RequestSpec(vcpus=2, ram_mib=512, disk_gib=10)
NEW = RequestSpec(vcpus=1, ram_mib=1024, disk_gib=20)


@pytest.fixture
def placed() -> tuple[uuid.UUID, Hypervisor]:
    host, server = make_host(), uuid.uuid4()
    place_server(
        server_id=server, spec=OLD, without=[], operation_id=uuid.uuid4(), request_id="",
        now=timezone.now(),
    )  # fmt: skip
    return server, host


def stay(placed, spec=NEW):
    server, host = placed
    with transaction.atomic():
        stay_on_host(
            server_id=server, hypervisor=host, spec=spec, operation_id=uuid.uuid4(),
            request_id="", now=timezone.now(),
        )  # fmt: skip


def held(placed) -> tuple[int, int, int]:
    """By the allocation; the counters say the same."""
    server, host = placed
    row = Allocation.objects.get(server_id=server)
    found = (row.vcpus, row.ram_mib, row.disk_gib)
    host.refresh_from_db()
    assert (host.vcpus_used, host.ram_mib_used, host.disk_gib_used) == found
    return found


def test_it_holds_the_larger_of_both_and_both_disks(placed):
    stay(placed)

    assert held(placed) == (2, 1024, 30)
    assert Decision.objects.latest("created_at").chosen == placed[1].name


@pytest.mark.parametrize("spec", [OLD, NEW], ids=["back", "on"])
def test_then_it_holds_one_of_them_alone(placed, spec):
    server, host = placed
    stay(placed)

    for _ in range(2):
        hold_just(server_id=server, hypervisor_id=host.pk, spec=spec, now=timezone.now())

    assert held(placed) == (spec.vcpus, spec.ram_mib, spec.disk_gib)


@pytest.mark.parametrize("more", [{"vcpus": 10_000}, {"ram_mib": 10**8}, {"disk_gib": 10**6}])
def test_without_room_for_both_nothing_changes(placed, more):
    with pytest.raises(NoValidHost):
        stay(placed, replace(NEW, **more))

    assert held(placed) == (2, 512, 10)


def test_a_host_that_takes_nothing_new_is_not_grown_on(placed):
    Hypervisor.objects.update(is_enabled=False)

    with pytest.raises(NoValidHost):
        stay(placed)

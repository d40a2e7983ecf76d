"""Rows that contradict each other are found and brought to agree."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from hypervisors.models import BuildSlot, Hypervisor
from images.models import Image
from images.quota import BYTES
from integrity.models import Finding
from integrity.states import FindingKind
from networks.models import FixedIP, Port
from quotas.models import Reservation
from scheduling.models import Allocation
from servers.models import Server
from servers.states import TaskState, VmState
from tests.hypervisors.fake_host import make_hypervisor
from tests.integrity.conftest import run_everything

pytestmark = pytest.mark.django_db(transaction=True)


def counters(hypervisor):
    hypervisor.refresh_from_db()
    return hypervisor.vcpus_used, hypervisor.ram_mib_used, hypervisor.disk_gib_used


def test_counters_become_the_sum_of_the_allocations(world):
    before = counters(world.hypervisor)
    Hypervisor.objects.update(vcpus_used=5, disk_gib_used=0)

    finding = world.found()

    assert finding.kind == FindingKind.COUNTERS_DIFFER
    assert world.repair() == []
    assert counters(world.hypervisor) == before


def test_a_leaked_allocation_is_given_back(world):
    before = counters(world.hypervisor)
    Allocation.objects.create(
        server_id=uuid.uuid4(), hypervisor=world.hypervisor, vcpus=2, ram_mib=3, disk_gib=4
    )
    Hypervisor.objects.update(vcpus_used=before[0] + 2, ram_mib_used=before[1] + 3)
    Hypervisor.objects.update(disk_gib_used=before[2] + 4)

    assert world.kinds() == [FindingKind.ALLOCATION_LEAKED]
    assert world.repair() == []
    assert counters(world.hypervisor) == before


def test_a_lost_allocation_is_counted_again(world):
    before = counters(world.hypervisor)
    Allocation.objects.all().delete()
    Hypervisor.objects.update(vcpus_used=0, ram_mib_used=0, disk_gib_used=0)

    assert world.kinds() == [FindingKind.ALLOCATION_MISSING]
    assert world.repair() == []
    assert counters(world.hypervisor) == before


def test_a_build_slot_of_an_operation_that_ended_is_freed(world):
    BuildSlot.objects.create(hypervisor=world.hypervisor, operation=uuid.uuid4())

    assert world.kinds() == [FindingKind.SLOT_LEAKED]
    assert world.repair() == []
    assert not BuildSlot.objects.exists()


def test_quota_that_nothing_holds_is_given_back(world):
    Reservation.objects.create(project_id="p", resource="instances", amount=1, subject=uuid.uuid4())

    assert world.kinds() == [FindingKind.QUOTA_LEAKED]
    assert world.repair() == []


def test_the_data_of_images_is_counted_as_it_is(world):
    Reservation.objects.create(project_id="p", resource=BYTES, amount=1, subject=uuid.uuid4())
    own = Reservation.objects.filter(resource=BYTES, subject=Image.objects.get().pk)
    amount = own.get().amount
    own.delete()
    Image.objects.update(updated_at=timezone.now() - timedelta(minutes=5))

    assert sorted(world.kinds()) == sorted([FindingKind.QUOTA_LEAKED, FindingKind.QUOTA_MISSING])
    assert world.repair() == []
    assert Reservation.objects.get(resource=BYTES).amount == own.get().amount == amount


def test_a_server_that_is_not_counted_is(world):
    held = Reservation.objects.filter(subject=world.server.pk)
    amounts = dict(held.values_list("resource", "amount"))
    held.filter(resource="instances").delete()
    held.filter(resource="cores").update(amount=9)

    assert world.kinds() == [FindingKind.QUOTA_MISSING] * 2
    assert world.repair() == []
    assert dict(held.values_list("resource", "amount")) == amounts


def test_ports_of_a_server_that_is_gone_are_given_back(world):
    before = Reservation.objects.filter(resource="ports").count()
    port = Port.objects.get()
    stray = uuid.uuid4()
    other = Port.objects.create(
        network=port.network, mac_address="fa:16:3e:00:00:09", project_id=port.project_id,
        device_id=str(stray), device_owner="compute:nova", made_for_server=True,
    )  # fmt: skip
    subnet = port.network.subnets.get()
    FixedIP.objects.create(port=other, subnet=subnet, address="10.20.3.77")
    Reservation.objects.create(
        project_id=port.project_id, resource="ports", amount=1, subject=other.pk
    )

    assert world.kinds() == [FindingKind.PORT_STRAY]
    assert world.repair() == []
    assert Port.objects.get() == port
    assert Reservation.objects.filter(resource="ports").count() == before


def test_a_port_bound_elsewhere_is_bound_to_the_host_of_its_server(world):
    Port.objects.update(host="elsewhere", status="DOWN")

    assert world.kinds() == [FindingKind.PORT_DIFFERS]
    assert world.repair() == []
    assert Port.objects.get().host == "host1"


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"task_state": TaskState.REBOOTING}, VmState.ACTIVE),
        ({"vm_state": VmState.BUILDING}, VmState.ERROR),
        ({"task_state": TaskState.DELETING}, VmState.DELETED),
    ],
)
def test_a_server_at_work_without_work_comes_to_an_end(world, fields, wanted):
    Server.objects.update(**fields)

    finding = world.found()
    left = world.repair()
    run_everything()

    world.server.refresh_from_db()
    assert finding.kind == FindingKind.SERVER_STUCK
    assert left == []
    assert (world.server.vm_state, world.server.task_state) == (wanted, None)


@pytest.mark.parametrize("is_moved", [True, False])
def test_a_server_is_where_its_domain_is(world, is_moved):
    other = make_hypervisor(world.hosts, "host2")
    if is_moved:
        Server.objects.update(hypervisor=other)
        Port.objects.update(host="host1")
    else:
        Allocation.objects.update(hypervisor=other)
        Hypervisor.objects.filter(pk=world.hypervisor.pk).update(
            vcpus_used=0, ram_mib_used=0, disk_gib_used=0
        )
        Hypervisor.objects.filter(pk=other.pk).update(
            vcpus_used=1, ram_mib_used=256, disk_gib_used=1
        )

    world.look()
    kinds = set(Finding.objects.open().values_list("kind", flat=True))
    world.repair()

    world.server.refresh_from_db()
    assert FindingKind.SERVER_HOST_DIFFERS in kinds
    assert FindingKind.VOLUME_MISSING not in kinds
    assert world.server.hypervisor == world.hypervisor
    assert Allocation.objects.get().hypervisor == world.hypervisor
    assert world.server.vm_state == VmState.ACTIVE
    assert world.repair() == []


def test_what_somebody_is_at_is_left_to_them(world):
    Server.objects.update(task_state=TaskState.REBOOTING, updated_at=timezone.now())

    fresh = world.kinds()
    Server.objects.update(updated_at=timezone.now() - timedelta(minutes=1))

    assert fresh == []
    assert world.kinds() == [FindingKind.SERVER_STUCK]

"""What a server holds of its host's cells is found missing, and told by its guest."""

from __future__ import annotations

import pytest

from flavors.models import Flavor
from hypervisors.libvirt.domain_xml import domain_xml
from hypervisors.models import Hypervisor
from integrity.states import FindingKind
from scheduling.models import Allocation
from tests.hypervisors.fake_host import make_hypervisor
from tests.scheduling.two_cells import CELLS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def flavor(db) -> Flavor:
    return Flavor.objects.create(
        flavorid="1", name="m1.pinned", vcpus=2, ram_mib=256, disk_gib=1,
        extra_specs={"hw:cpu_policy": "dedicated"},
    )  # fmt: skip


@pytest.fixture
def one_host(hosts) -> Hypervisor:
    host = make_hypervisor(hosts, "host1")
    host.capabilities["cells"] = [cell.to_json() for cell in CELLS]
    host.save()
    return host


def test_a_server_on_cells_is_nothing_to_report(world):
    assert world.kinds() == []


def test_a_lost_claim_is_made_again_for_the_cpus_that_the_guest_has(world):
    before = Allocation.objects.get().numa
    Allocation.objects.all().delete()
    Hypervisor.objects.update(vcpus_used=0, ram_mib_used=0, disk_gib_used=0)

    kinds, left = world.kinds(), world.repair()

    assert kinds == [FindingKind.ALLOCATION_MISSING]
    assert left == []
    assert Allocation.objects.get().numa == before


def test_a_pin_that_a_hand_changed_is_shown(world):
    guest = world.host.guests[world.server.pk]
    xml = domain_xml(guest.spec)
    guest.xml = xml.replace('<vcpupin vcpu="0" cpuset="0"', '<vcpupin vcpu="0" cpuset="3"')
    assert guest.xml != xml

    finding = world.found()

    assert finding.kind == FindingKind.DOMAIN_CHANGED
    assert '+    <vcpupin cpuset="3" vcpu="0" />' in finding.difference

"""What a server holds of its host's devices is found missing, and told by its guest."""

from __future__ import annotations

import pytest

from flavors.models import Flavor
from hypervisors.libvirt.domain_xml import domain_xml
from hypervisors.models import Hypervisor
from integrity.states import FindingKind
from scheduling.models import Allocation, PciClaim
from tests.hypervisors.fake_host import make_hypervisor
from tests.scheduling.devices import give_devices, name_devices

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def flavor(db) -> Flavor:
    name_devices()
    return Flavor.objects.create(
        flavorid="1", name="m1.gpu", vcpus=1, ram_mib=256, disk_gib=1,
        extra_specs={"pci_passthrough:alias": "first:1"},
    )  # fmt: skip


@pytest.fixture
def one_host(hosts) -> Hypervisor:
    return give_devices(make_hypervisor(hosts, "host1"))


def test_a_server_with_a_device_is_nothing_to_report(world):
    assert world.kinds() == []


def test_a_lost_claim_is_made_again_for_the_device_that_the_guest_has(world):
    Allocation.objects.all().delete()
    Hypervisor.objects.update(vcpus_used=0, ram_mib_used=0, disk_gib_used=0)
    assert not PciClaim.objects.exists()

    kinds, left = world.kinds(), world.repair()

    assert kinds == [FindingKind.ALLOCATION_MISSING]
    assert left == []
    assert PciClaim.objects.get().address == "0000:81:00.0"


def test_a_device_that_a_hand_changed_is_shown(world):
    guest = world.host.guests[world.server.pk]
    xml = domain_xml(guest.spec)
    guest.xml = xml.replace('bus="0x81"', 'bus="0x82"')
    assert guest.xml != xml

    finding = world.found()

    assert finding.kind == FindingKind.DOMAIN_CHANGED
    assert '<address bus="0x82"' in finding.difference

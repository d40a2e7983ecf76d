"""PCI devices by alias, on hosts that have none to give: refused with the reason, and undone."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.cloud import blink, hosts
from tests.cloud.conftest import Cloud
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]

ADMIN = "cloudportal-admin"
ALIAS = """
from scheduling.models import PciAlias
PciAlias.objects.create(name="{name}", vendor_id="10de", product_id="1eb8")
"""
FORGET = """
from hypervisors.models import Hypervisor
from scheduling.models import PciAlias
PciAlias.objects.all().delete()
for host in Hypervisor.objects.all():
    host.capabilities["pci_devices"] = []
    host.save(update_fields=["capabilities"])
"""
# As if each host had told of a card, which its libvirt will not find.
CARDS = """
from hypervisors.models import Hypervisor
from hypervisors.pci import PciDevice
for host in Hypervisor.objects.all():
    host.capabilities["pci_devices"] = [PciDevice("0000:81:00.0", "10de", "1eb8", 42).to_json()]
    host.save(update_fields=["capabilities"])
"""
TOLD = """
import json
from hypervisors.models import Hypervisor
from scheduling.models import PciClaim
rows = Hypervisor.objects.values_list("capabilities__pci_devices", flat=True)
print(json.dumps({"devices": list(rows), "claims": PciClaim.objects.count()}))
"""


@pytest.fixture
def flavor(empty_cloud) -> Iterator[str]:
    """One that asks for a card, by an alias that there is not yet."""
    name = f"card-{uuid.uuid4().hex[:6]}"
    size = ("--vcpus", "1", "--ram", "128", "--disk", "1")
    wish = ("--property", f"pci_passthrough:alias={name}:1")
    version = ("--os-compute-api-version", "2.86")
    empty_cloud.portal.openstack(*version, "flavor", "create", *size, *wish, name, cloud=ADMIN)
    yield name
    empty_cloud.portal.manage("shell", "-v", "0", "-c", FORGET)
    empty_cloud.portal.openstack("flavor", "delete", name, cloud=ADMIN)


def test_a_card_that_no_host_has_is_refused_by_name_and_one_that_fails_is_given_back(
    empty_cloud, flavor
):
    cloud = empty_cloud
    assert hosts.ask(cloud, TOLD) == {"devices": [[], [], []], "claims": 0}

    refused = cloud.portal.openstack(*asked(flavor), check=False)
    assert f"PCI alias {flavor} is not defined" in refused

    cloud.portal.manage("shell", "-v", "0", "-c", ALIAS.format(name=flavor))
    server = failed(cloud, flavor)
    assert "pci_passthrough removed 3" in fault(cloud, server)

    cloud.portal.manage("shell", "-v", "0", "-c", CARDS)
    other = failed(cloud, flavor)
    assert "pci_passthrough" not in fault(cloud, other)
    assert hosts.ask(cloud, TOLD)["claims"] == 0

    for each in (server, other):
        hosts.delete(cloud, each)
        hosts.wait_gone(cloud, each)
    cloud.slate.assert_clean()


def asked(flavor: str) -> tuple[str, ...]:
    name = f"with-{uuid.uuid4().hex[:6]}"
    return ("server", "create", "--image", blink.NAME, "--flavor", flavor, name)


def failed(cloud: Cloud, flavor: str) -> str:
    """A server that was asked for and came to its end in ERROR."""
    server = str(cloud.portal.openstack_json(*asked(flavor))["id"])
    eventually(
        lambda: hosts.show(cloud, server).status == "ERROR",
        within_s=120,
        what="it has failed on every host",
    )
    return server


def fault(cloud: Cloud, server: str) -> str:
    return str(cloud.portal.openstack_json("server", "show", server)["fault"]["message"])

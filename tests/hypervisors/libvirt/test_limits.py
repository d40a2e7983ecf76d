"""The limits of a flavor as a real libvirt has them: of disks, network cards and processors."""

import dataclasses
import subprocess

import pytest

from hypervisors.libvirt import guest
from hypervisors.libvirt.difference import definition_difference
from hypervisors.libvirt.domain_xml import domain_xml
from hypervisors.libvirt.features import guest_features
from tests.hypervisors.libvirt import specs
from tests.hypervisors.libvirt.machine import URI

pytestmark = pytest.mark.lab

FIRST = {
    "quota:disk_read_bytes_sec": "1048576",
    "quota:disk_write_bytes_sec": "2097152",
    "quota:disk_total_iops_sec": "300",
    "quota:cpu_shares": "512",
    "quota:cpu_period": "50000",
    "quota:cpu_quota": "25000",
}
MOST = {
    "quota:disk_total_bytes_sec": "1000000000000000",
    "quota:disk_read_iops_sec": "1000000000000000",
    "quota:cpu_shares": "10000",
    "quota:cpu_period": "1000000",
    "quota:cpu_quota": "-1",
}
CARD = {
    "quota:vif_inbound_average": "1000",
    "quota:vif_inbound_peak": "2000",
    "quota:vif_inbound_burst": "64",
    "quota:vif_outbound_average": "500",
}
CARD_MOST = {
    **{f"quota:vif_inbound_{part}": "4194303" for part in ("average", "peak", "burst")},
    **{f"quota:vif_outbound_{part}": "4194303" for part in ("average", "burst")},
}


def test_limits_are_in_force_and_give_way_to_others(connection, server):
    limited = with_limits(server, FIRST)
    guest.define_guest(connection, domain_xml(limited))

    guest.start_guest(connection, server.uuid)

    assert agrees(limited)
    disk, cpu = in_force(limited)
    assert (disk["read_bytes_sec"], disk["write_bytes_sec"]) == ("1048576", "2097152")
    assert (disk["total_bytes_sec"], disk["total_iops_sec"]) == ("0", "300")
    assert (cpu["cpu_shares"], cpu["vcpu_period"], cpu["vcpu_quota"]) == ("512", "50000", "25000")

    most = with_limits(server, MOST)
    guest.define_guest(connection, domain_xml(most))
    guest.reboot_hard(connection, server.uuid)

    assert agrees(most)
    disk, cpu = in_force(most)
    assert (disk["read_bytes_sec"], disk["write_bytes_sec"]) == ("0", "0")
    assert (disk["total_bytes_sec"], disk["read_iops_sec"]) == ("10" + "0" * 14,) * 2
    assert cpu["cpu_shares"] == "10000"


@pytest.mark.parametrize(
    ("extra_specs", "inbound", "outbound"),
    [
        (CARD, ("1000", "2000", "64"), ("500", "0", "0")),
        (CARD_MOST, ("4194303",) * 3, ("4194303", "0", "4194303")),
        ({}, ("0", "0", "0"), ("0", "0", "0")),
    ],
)
def test_limits_of_cards_are_kept(connection, server, extra_specs, inbound, outbound):
    guest.define_guest(connection, domain_xml(with_limits(server, CARD)))
    limited = with_limits(server, extra_specs)

    guest.define_guest(connection, domain_xml(limited))

    assert agrees(limited)
    # Whether its kernel can, the host says when the guest starts: not all have what tc needs.
    kept = said("domiftune", limited.name, specs.MAC, "--config")
    parts = ("average", "peak", "burst")
    assert tuple(kept[f"inbound.{part}"] for part in parts) == inbound
    assert tuple(kept[f"outbound.{part}"] for part in parts) == outbound


def with_limits(server, extra_specs):
    return dataclasses.replace(server, features=guest_features(extra_specs, {}))


def in_force(spec):
    """What libvirt says of the running guest's disk and processors."""
    return (
        said("blkdeviotune", spec.name, "vda", "--live"),
        said("schedinfo", spec.name, "--live"),
    )


def agrees(spec):
    """Whether its kept definition is the one it was given."""
    kept = subprocess.run(
        ["virsh", "-q", "-c", URI, "dumpxml", "--inactive", spec.name],
        capture_output=True,
        text=True,
        check=True,
    )
    return definition_difference(domain_xml(spec), kept.stdout) == ""


def said(*words):
    done = subprocess.run(
        ["virsh", "-q", "-c", URI, *words], capture_output=True, text=True, check=True
    )
    pairs = (line.partition(":") for line in done.stdout.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}

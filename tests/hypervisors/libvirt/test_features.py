import re
from pathlib import Path

import pytest

from hypervisors.libvirt import properties
from hypervisors.libvirt.features import (
    Bandwidth,
    GuestFeatures,
    Topology,
    choose_topology,
    guest_features,
)
from hypervisors.libvirt.properties import InvalidProperty


def test_nothing_asked_gives_the_defaults():
    assert guest_features({}, {}) == GuestFeatures()


UEFI = {"hw_firmware_type": "uefi"}


@pytest.mark.parametrize(
    ("specs", "properties", "name", "value"),
    [
        ({}, {"hw_disk_bus": "SCSI"}, "disk_bus", "scsi"),
        ({}, {"hw_pointer_model": "usbtablet"}, "tablet_bus", "usb"),
        ({}, {"hw_input_bus": "virtio"}, "tablet_bus", "virtio"),
        ({}, {"os_type": "windows"}, "tablet_bus", "usb"),
        ({"hw:pmu": "true"}, {}, "has_pmu", True),
        ({"hw:boot_menu": "true"}, {"hw_boot_menu": "false"}, "boot_menu", False),
        ({"hw:watchdog_action": "none"}, {"hw_watchdog_action": "pause"},
         "watchdog_action", "pause"),
        ({"hw:watchdog_action": "disabled"}, {}, "watchdog_action", None),
        ({"hw:pmu": "false"}, {"hw_pmu": "true"}, "has_pmu", False),
        ({"hw_rng:allowed": "false"}, {}, "has_rng", False),
        ({"quota:cpu_quota": "-7"}, {}, "cpu_quota_us", -1),
        ({"quota:vif_inbound_average": "10"}, {}, "vif_inbound", Bandwidth(10)),
        ({}, {"os_secure_boot": "optional", **UEFI}, "secure_boot", False),
        ({}, {"os_secure_boot": "required", **UEFI}, "secure_boot", True),
        ({"os:secure_boot": "required"}, UEFI, "secure_boot", True),
        ({"os:secure_boot": "required"}, {"os_secure_boot": "optional", **UEFI}, "secure_boot",
         True),
        ({"os:secure_boot": "disabled"}, {"os_secure_boot": "disabled"}, "secure_boot", False),
        ({"hw:tpm_version": "2.0"}, {}, "tpm", "tpm-tis:2.0"),
        ({"hw:tpm_version": "2.0"}, {"hw_tpm_model": "tpm-crb"}, "tpm", "tpm-crb:2.0"),
        ({}, {"hw_tpm_version": "1.2"}, "tpm", "tpm-tis:1.2"),
        ({}, {}, "tpm", ""),
        ({"hw:cpu_cores": "2"}, {"hw_cpu_threads": "2"}, "topology", Topology(None, 2, 2)),
        ({"hw_video:ram_max_mb": "64"}, {"hw_video_ram": "32"}, "video_ram_mib", 32),
    ],
)  # fmt: skip
def test_wish_is_honoured(specs, properties, name, value):
    assert getattr(guest_features(specs, properties), name) == value


@pytest.mark.parametrize(
    ("specs", "properties", "key"),
    [
        ({}, {"hw_disk_bus": "floppy"}, "hw_disk_bus"),
        ({}, {"hw_machine_type": "pc q35"}, "hw_machine_type"),
        ({}, {"hw_qemu_guest_agent": "perhaps"}, "hw_qemu_guest_agent"),
        ({}, {"hw_video_ram": "32"}, "hw_video_ram"),
        ({}, {"hw_tpm_model": "tpm-crb"}, "hw_tpm_model"),
        ({"hw:tpm_model": "tpm-tis"}, {}, "hw:tpm_model"),
        ({"hw:tpm_version": "1.2"}, {"hw_tpm_model": "tpm-crb"}, "hw_tpm_model"),
        ({"hw:tpm_version": "2.0"}, {"hw_tpm_version": "1.2"}, "hw_tpm_version"),
        ({"hw:tpm_version": "3"}, {}, "hw:tpm_version"),
        ({}, {"os_secure_boot": "required"}, "os_secure_boot"),
        ({"os:secure_boot": "required"}, {}, "os:secure_boot"),
        ({"os:secure_boot": "required"}, {"hw_firmware_type": "bios"}, "os:secure_boot"),
        ({"os:secure_boot": "required"}, {**UEFI, "os_secure_boot": "disabled"}, "os_secure_boot"),
        ({"os:secure_boot": "disabled"}, {**UEFI, "os_secure_boot": "required"}, "os_secure_boot"),
        ({}, {**UEFI, "os_secure_boot": "required", "hw_machine_type": "pc"}, "os_secure_boot"),
        ({"os:secure_boot": "optional"}, UEFI, "os:secure_boot"),
        ({"hw:cpu_dedicated_mask": "0"}, {}, "hw:cpu_dedicated_mask"),
        ({"quota:cpu_period": "10"}, {}, "quota:cpu_period"),
        ({"quota:cpu_quota": "500"}, {}, "quota:cpu_quota"),
        ({"quota:cpu_shares": "many"}, {}, "quota:cpu_shares"),
        ({"quota:cpu_shares": "10001"}, {}, "quota:cpu_shares"),
        ({"quota:disk_read_bytes_sec": "1" + "0" * 16}, {}, "quota:disk_read_bytes_sec"),
        ({"quota:vif_outbound_average": "4194304"}, {}, "quota:vif_outbound_average"),
        ({"quota:vif_inbound_peak": "10"}, {}, "quota:vif_inbound_peak"),
        ({"pci_passthrough:alias": "gpu"}, {}, "pci_passthrough:alias"),
        ({"pci_passthrough:alias": "gpu:0"}, {}, "pci_passthrough:alias"),
        ({"pci_passthrough:alias": "gpu:20,gpu:20"}, {}, "pci_passthrough:alias"),
        ({"pci_passthrough:alias": "gpu:1,"}, {}, "pci_passthrough:alias"),
        ({"pci_passthrough:other": "gpu:1"}, {}, "pci_passthrough:other"),
        ({"accel:device_profile": "gpu"}, {}, "accel:device_profile"),
        ({"hw:cpu_max_cores": "2"}, {"hw_cpu_cores": "4"}, "hw_cpu_cores"),
        (
            {"quota:disk_total_iops_sec": "5", "quota:disk_read_iops_sec": "5"},
            {},
            "quota:disk_total_iops_sec",
        ),
    ],
)
def test_bad_or_impossible_wish_is_refused_by_name(specs, properties, key):
    with pytest.raises(InvalidProperty) as caught:
        guest_features(specs, properties)

    assert caught.value.key == key


def test_devices_are_asked_for_by_name_and_number_each_name_once():
    found = guest_features({"pci_passthrough:alias": "gpu:1, nic:2,gpu:1"}, {})

    assert found.pci == "gpu:2,nic:2"


def test_keys_that_do_not_concern_the_guest_pass():
    properties = {"owner": "me", "hw_architecture": "x86_64", "traits": "x"}

    assert guest_features({"my_zone": "a", "resources:VCPU": "1"}, properties) == GuestFeatures()


@pytest.mark.parametrize(
    ("vcpus", "wish", "most", "shape"),
    [
        (4, Topology(), Topology(), (4, 1, 1)),
        (4, Topology(1, None, None), Topology(), (1, 4, 1)),
        (4, Topology(1, 2, 2), Topology(), (1, 2, 2)),
        (6, Topology(4, None, None), Topology(), (6, 1, 1)),
        (8, Topology(), Topology(sockets=2), (2, 4, 1)),
    ],
)
def test_topology_is_the_nearest_that_makes_up_the_vcpus(vcpus, wish, most, shape):
    assert choose_topology(vcpus, wish, most) == shape


def test_maxima_that_no_topology_fits_are_refused():
    with pytest.raises(InvalidProperty):
        choose_topology(8, Topology(), Topology(1, 2, 2))


def _written_out(text):
    """Every name that `a_{b,c}` stands for."""
    found = re.search(r"{([^}]*)}", text)
    if found is None:
        return [text]
    start, end = text[: found.start()], text[found.end() :]
    return [name for part in found[1].split(",") for name in _written_out(start + part + end)]


def test_the_manual_names_all_that_is_honoured():
    text = (Path(__file__).parents[3] / "docs/guests.md").read_text().partition("## Refused")[0]
    named = {name for each in re.findall(r"`([^`]+)`", text) for name in _written_out(each)}

    assert {*properties._FLAVOR, *properties._IMAGE} - named == set()

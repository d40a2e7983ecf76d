"""Specifications the driver's tests share."""

import dataclasses
from datetime import UTC, datetime
from uuid import UUID

from hypervisors.libvirt.features import guest_features
from hypervisors.libvirt.numa import NumaNode, NumaPlacement, NumaRequest, PlacedNode
from hypervisors.libvirt.records import (
    DiskRecord,
    FixedIpRecord,
    FlavorRecord,
    GuestMetadata,
    PortRecord,
)
from hypervisors.libvirt.spec import DiskSpec, GuestSpec, InterfaceSpec

SERVER = UUID("1b6a1f9c-4e0f-4ab1-9a44-6f0c6a6e0001")
PORT = "7c1f2a34-0000-4000-8000-00000000abcd"
MAC = "52:54:00:aa:bb:01"


def at(root, path):
    """The element there; the test fails where there is none."""
    found = root.find(path)
    assert found is not None, path
    return found


def metadata(server=SERVER):
    return GuestMetadata(
        server_id=str(server),
        name="one & only",
        project_id="p1",
        project_name="demo",
        user_id="u1",
        user_name="ann",
        flavor=FlavorRecord("1", "m1.tiny", 1, 64, 1, extra_specs={"quota:cpu_shares": "512"}),
        hostname="one",
        availability_zone="nova",
        created_at=datetime(2026, 11, 23, 12, 0, tzinfo=UTC),
        image_id="im1",
        image_properties={"os_type": "linux"},
        ports=(PortRecord(PORT, "net1", MAC, (FixedIpRecord("10.0.0.5", "sub1"),)),),
        disks=(DiskRecord("root", "default", "root-disk", 1),),
        user_metadata={"role": " web\n"},
        tags=("a",),
    )


def linux():
    return GuestSpec(
        uuid=SERVER,
        name="cp-1b6a1f9c",
        title="one & only",
        vcpus=1,
        ram_mib=64,
        machine="pc-q35-7.2",
        metadata=metadata(),
        disks=(
            DiskSpec("default", "config", "config", device="cdrom", format="raw"),
            DiskSpec("default", "root-disk", "root", boot_order=1, serial="root"),
            DiskSpec("default", "swap-disk", "swap"),
        ),
        interfaces=(InterfaceSpec(PORT, MAC, "cp-net", filter_name=f"cp-port-{PORT}", mtu=1400),),
        console_log_path="/pool/one_console.log",
    )


def windows():
    features = guest_features(
        {
            "hw:cpu_sockets": "1",
            "hw:watchdog_action": "pause",
            "hw_rng:rate_bytes": "1024",
            "hw_video:ram_max_mb": "64",
            "quota:cpu_quota": "-5",
            "quota:disk_total_iops_sec": "500",
            "quota:vif_outbound_average": "1000",
            "quota:vif_outbound_burst": "2000",
        },
        {
            "os_type": "windows",
            "hw_firmware_type": "uefi",
            "hw_disk_bus": "scsi",
            "hw_vif_model": "e1000e",
            "hw_video_model": "qxl",
            "hw_video_ram": "32",
            "hw_qemu_guest_agent": "yes",
            "hw_watchdog_action": "reset",
            "hw_boot_menu": "true",
        },
    )
    return GuestSpec(
        uuid=SERVER,
        name="cp-win",
        title="",
        vcpus=4,
        ram_mib=4096,
        machine="pc-q35-7.2",
        metadata=metadata(),
        domain_type="kvm",
        cpu_model="Skylake-Server",
        features=features,
        disks=(
            DiskSpec("default", "root-disk", "root", boot_order=1),
            DiskSpec("default", "config", "config", device="cdrom", format="raw"),
        ),
        interfaces=(InterfaceSpec(PORT, MAC, "cp-net"),),
    )


def secure():
    """Windows as it wants to be run since its eleventh version."""
    features = guest_features(
        {"os:secure_boot": "required"}, {"os_type": "windows", "hw_firmware_type": "uefi"}
    )
    return dataclasses.replace(linux(), name="cp-secure", features=features)


def trusted():
    """The same with a TPM."""
    found = secure()
    features = dataclasses.replace(found.features, tpm_version="2.0", tpm_model="tpm-crb")
    return dataclasses.replace(found, features=features)


def passed():
    """With two devices of its host."""
    return dataclasses.replace(linux(), name="cp-passed", pci=("0000:81:00.0", "0000:3b:02.5"))


def pinned():
    """Two nodes, each vCPU with a CPU of its own, and memory in huge pages."""
    request = NumaRequest((NumaNode((0, 1), 512), NumaNode((2, 3), 1024)), "large", True)
    placement = NumaPlacement(
        request,
        (PlacedNode((0, 1), 512, 1, (4, 12)), PlacedNode((2, 3), 1024, 0, (0, 8))),
        page_kib=2048,
        has_huge_pages=True,
    )
    return dataclasses.replace(linux(), name="cp-pin", vcpus=4, ram_mib=1536, numa=placement)


def floating():
    """One node, its vCPUs on all CPUs of a cell, and a share of the host's CPU beside it."""
    request = NumaRequest((NumaNode((0,), 64),))
    placement = NumaPlacement(request, (PlacedNode((0,), 64, 1, (4, 5, 6, 7, 12, 13)),))
    features = guest_features({"quota:cpu_shares": "512", "hw:locked_memory": "true"}, {})
    return dataclasses.replace(linux(), name="cp-cell", numa=placement, features=features)

"""What a guest's definition says of its way to another host, and what it becomes there."""

from xml.etree import ElementTree as ET

import libvirt

from hypervisors.libvirt.migrate import (
    MoveProgress,
    MoveRequest,
    destination_xml,
    parse_movable,
    parse_progress,
)

XML = """
<domain type='qemu' id='3'>
  <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
  <cpu mode='custom' match='exact'><model fallback='forbid'>qemu64</model></cpu>
  <devices>
    <disk type='volume' device='disk'>
      <driver name='qemu' type='qcow2' cache='none'/>
      <source pool='cloudportal' volume='1-root' index='1'/>
      <backingStore type='file'><source file='/old/base-x'/></backingStore>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='/old/1-swap'/>
      <target dev='vdb' bus='virtio'/>
    </disk>
    <disk type='volume' device='cdrom'>
      <driver name='qemu' type='raw'/>
      <source pool='cloudportal' volume='1-config'/>
      <target dev='sda' bus='sata'/><readonly/>
    </disk>
    <disk type='file' device='cdrom'><target dev='sdb' bus='sata'/><readonly/></disk>
    <serial type='pty'><log file='/old/1_console.log' append='on'/></serial>
    <console type='pty'><log file='/old/1_console.log' append='on'/></console>
  </devices>
</domain>
"""
REQUEST = MoveRequest(
    address="10.0.0.2",
    pool="fast",
    paths={"vda": "/new/1-root", "vdb": "/new/1-swap", "sda": "/new/1-config"},
    console_log_path="/new/1_console.log",
)


def sources(xml: str) -> dict[str, dict[str, str]]:
    """What is behind each disk, by its target."""
    found = {}
    for disk in ET.fromstring(xml).iterfind("devices/disk"):
        target, source = disk.find("target"), disk.find("source")
        if target is not None and source is not None:
            found[target.get("dev", "")] = dict(source.attrib)
    return found


def test_what_the_destination_must_offer_is_read_of_the_guest():
    found = parse_movable(XML)

    assert (found.arch, found.domain_type, found.machine) == ("x86_64", "qemu", "pc-q35-7.2")
    assert "qemu64" in found.cpu
    seen = [(each.target, each.pool, each.volume, each.path) for each in found.disks]
    assert seen == [
        ("vda", "cloudportal", "1-root", ""),
        ("vdb", "", "", "/old/1-swap"),
        ("sda", "cloudportal", "1-config", ""),
        ("sdb", "", "", ""),
    ]
    assert [each.is_readonly for each in found.disks] == [False, False, True, True]
    assert [each.format for each in found.disks] == ["qcow2", "raw", "raw", "raw"]


def test_secure_boot_and_a_tpm_are_read_of_the_guest():
    found = parse_movable(
        "<domain type='kvm'><os><loader readonly='yes' secure='yes' type='pflash'>/x</loader></os>"
        "<devices><tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm></devices>"
        "</domain>"
    )

    assert (found.has_secure_boot, found.tpm) == (True, "tpm-crb:2.0")
    assert (parse_movable(XML).has_secure_boot, parse_movable(XML).tpm) == (False, "")


def test_a_guest_without_a_cpu_model_asks_for_none():
    assert parse_movable("<domain type='kvm'><cpu mode='host-passthrough'/></domain>").cpu == ""


def test_the_running_guest_has_the_files_of_the_destination():
    moved = destination_xml(XML, REQUEST, is_kept=False)

    assert sources(moved) == {
        "vda": {"file": "/new/1-root"},
        "vdb": {"file": "/new/1-swap"},
        "sda": {"file": "/new/1-config"},
    }
    root = ET.fromstring(moved)
    assert {disk.get("type") for disk in root.iterfind("devices/disk")} == {"file"}
    assert root.find("devices/disk/backingStore") is None
    assert {log.get("file") for log in root.iter("log")} == {"/new/1_console.log"}


def test_the_kept_definition_names_the_volumes_of_the_pool_there():
    kept = destination_xml(XML, REQUEST, is_kept=True)

    assert sources(kept)["vda"] == {"pool": "fast", "volume": "1-root", "index": "1"}
    assert sources(kept)["vdb"] == {"file": "/new/1-swap"}
    assert sources(kept)["sda"] == {"pool": "fast", "volume": "1-config"}


def test_without_a_log_at_the_destination_the_definition_keeps_its_own():
    request = MoveRequest(address="10.0.0.2")

    assert "/old/1_console.log" in destination_xml(XML, request, is_kept=True)


def test_progress_is_read_from_the_statistics_of_the_job():
    found = parse_progress(
        {
            "type": libvirt.VIR_DOMAIN_JOB_UNBOUNDED,
            "memory_total": 100,
            "memory_processed": 60,
            "memory_remaining": 40,
            "disk_total": 10,
        }
    )

    assert found == MoveProgress(100, 60, 40, 10, 0, 0)

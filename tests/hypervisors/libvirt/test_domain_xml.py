import dataclasses
import os
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from hypervisors.libvirt.domain_xml import domain_xml
from hypervisors.libvirt.features import guest_features
from hypervisors.libvirt.properties import InvalidProperty
from hypervisors.libvirt.spec import DiskSpec
from tests.hypervisors.libvirt import specs
from tests.hypervisors.libvirt.specs import at

DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize(
    "name", ["linux", "windows", "secure", "trusted", "pinned", "floating", "passed"]
)
def test_domain_is_as_in_its_file(name):
    file = DATA / f"domain_{name}.xml"

    xml = domain_xml(getattr(specs, name)()) + "\n"

    if os.environ.get("CLOUDPORTAL_WRITE_GOLDEN"):
        file.write_text(xml)
    assert xml == file.read_text()


def test_disks_are_named_by_bus_with_the_root_disk_first():
    many = tuple(DiskSpec("p", f"v{number}", "volume") for number in range(27))
    spec = dataclasses.replace(specs.linux(), disks=(*many, DiskSpec("p", "r", "root")))

    disks = ET.fromstring(domain_xml(spec)).findall("devices/disk")

    volumes = [at(disk, "source").get("volume") for disk in disks]
    targets = [at(disk, "target").get("dev") for disk in disks]
    assert volumes[:2] == ["r", "v0"]
    assert targets[:2] + targets[-3:] == ["vda", "vdb", "vdz", "vdaa", "vdab"]


def test_a_disk_that_is_to_be_read_only_says_so_and_keeps_its_limits():
    features = guest_features({"quota:disk_read_iops_sec": "100"}, {})
    disks = (DiskSpec("p", "r", "root"), DiskSpec("p", "v", "volume", is_readonly=True))
    spec = dataclasses.replace(specs.linux(), features=features, disks=disks)

    root, volume = ET.fromstring(domain_xml(spec)).findall("devices/disk")

    assert (root.find("readonly"), volume.find("readonly") is None) == (None, False)
    assert at(volume, "iotune/read_iops_sec").text == "100"


@pytest.mark.parametrize(
    ("role", "targets"),
    [
        ("rescue", {"own": "vdb", "aid": "vda", "data": "vdc"}),
        ("rescuer", {"own": "vda", "data": "vdb", "aid": "vdc"}),
    ],
)
def test_a_rescue_disk_is_first_or_leaves_the_others_their_names(role, targets):
    disks = (
        DiskSpec("p", "own", "root"),
        DiskSpec("p", "data", "ephemeral"),
        DiskSpec("p", "aid", role, boot_order=1),
    )
    spec = dataclasses.replace(specs.linux(), disks=disks)

    found = ET.fromstring(domain_xml(spec)).findall("devices/disk")

    named = {at(disk, "source").get("volume"): at(disk, "target").get("dev") for disk in found}
    booted = [at(disk, "source").get("volume") for disk in found if disk.find("boot") is not None]
    assert (named, booted) == (targets, ["aid"])


def test_ide_disk_on_q35_is_refused():
    features = guest_features({}, {"hw_disk_bus": "ide"})

    with pytest.raises(InvalidProperty, match="has no IDE bus"):
        domain_xml(dataclasses.replace(specs.linux(), features=features))


def test_cdrom_of_an_i440fx_machine_is_on_ide():
    cd = DiskSpec("p", "cd", "volume", device="cdrom", format="raw")
    spec = dataclasses.replace(specs.linux(), machine="pc-i440fx-7.2", disks=(cd,))

    target = at(ET.fromstring(domain_xml(spec)), "devices/disk[@device='cdrom']/target")

    assert target.attrib == {"dev": "hda", "bus": "ide"}


def test_config_drive_of_linux_is_a_read_only_disk_on_the_root_disks_bus():
    disks = ET.fromstring(domain_xml(specs.linux())).findall("devices/disk")

    drive = next(disk for disk in disks if at(disk, "source").get("volume") == "config")

    assert drive.get("device") == "disk"
    assert at(drive, "target").get("bus") == "virtio"
    assert drive.find("readonly") is not None


def test_config_drive_goes_where_the_image_wants_its_cds():
    features = guest_features({}, {"hw_cdrom_bus": "sata"})
    spec = dataclasses.replace(specs.linux(), features=features)

    target = at(ET.fromstring(domain_xml(spec)), "devices/disk[@device='cdrom']/target")

    assert target.get("bus") == "sata"


def test_hostile_names_stay_text():
    spec = dataclasses.replace(specs.linux(), title="</title><devices/>")

    root = ET.fromstring(domain_xml(spec))

    assert root.findtext("title") == "</title><devices/>"
    assert len(root.findall("devices")) == 1

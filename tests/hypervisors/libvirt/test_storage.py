from xml.etree import ElementTree as ET

from hypervisors.libvirt.pools import DirPoolSpec, pool_xml
from hypervisors.libvirt.storage import volume_xml
from tests.hypervisors.libvirt.specs import at


def test_pool_is_a_directory():
    root = ET.fromstring(pool_xml(DirPoolSpec("a&b", "/srv/a&b")))

    assert root.get("type") == "dir"
    assert (root.findtext("name"), root.findtext("target/path")) == ("a&b", "/srv/a&b")


def test_overlay_names_path_and_format_of_what_it_lies_over():
    root = ET.fromstring(volume_xml("v", 5, "qcow2", ("/p/base", "raw")))

    assert root.findtext("backingStore/path") == "/p/base"
    assert at(root, "backingStore/format").get("type") == "raw"
    assert at(root, "target/format").get("type") == "qcow2"


def test_raw_volume_has_no_qcow2_version():
    root = ET.fromstring(volume_xml("v", 5, "raw"))

    assert root.find("target/compat") is None
    assert root.findtext("capacity") == "5"

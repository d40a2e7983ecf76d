import os
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from hypervisors.libvirt.filters import FilterRule, FilterSpec, filter_xml, link_local
from tests.hypervisors.libvirt import specs

DATA = Path(__file__).parent / "data"
RULES = (
    FilterRule("out"),
    FilterRule("out", family="ipv6"),
    FilterRule("in", "tcp", (22, 22), "10.0.0.0/8"),
    FilterRule("in", "icmp", (8, None)),
    FilterRule("in", "icmp", family="ipv6"),
    FilterRule("in", "udp", (1000, 2000), "fd00::/64", "ipv6"),
)


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("plain", FilterSpec(specs.PORT, specs.MAC, ("10.0.0.5",))),
        ("rules", FilterSpec(specs.PORT, specs.MAC, ("10.0.0.5", "fd00::5"), RULES)),
    ],
)
def test_filter_is_as_in_its_file(name, spec):
    file = DATA / f"filter_{name}.xml"
    root = ET.fromstring(filter_xml(spec))
    ET.indent(root)
    xml = ET.tostring(root, encoding="unicode") + "\n"

    if os.environ.get("CLOUDPORTAL_WRITE_GOLDEN"):
        file.write_text(xml)
    assert xml == file.read_text()


def test_link_local_address_follows_from_the_mac():
    assert link_local("52:54:00:aa:bb:cc") == "fe80::5054:ff:feaa:bbcc"


@pytest.mark.parametrize(
    "rule", [FilterRule("in", None, (1, 2)), FilterRule("in", "tcp", None, "fd00::/64")]
)
def test_rule_that_contradicts_itself_is_refused(rule):
    with pytest.raises(ValueError, match=r"Ports need|is not of the family"):
        filter_xml(FilterSpec(specs.PORT, specs.MAC, (), (rule,)))

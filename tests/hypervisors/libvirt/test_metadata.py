import dataclasses
from datetime import UTC
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypervisors.libvirt.errors import DriverError
from hypervisors.libvirt.metadata import metadata_element, parse_metadata
from hypervisors.libvirt.spec import (
    DiskRecord,
    FixedIpRecord,
    FlavorRecord,
    GuestMetadata,
    PortRecord,
)
from tests.hypervisors.libvirt import specs

TEXTS = st.text(max_size=20)
MAPS = st.dictionaries(TEXTS, TEXTS, max_size=3)
FLAVORS = st.builds(FlavorRecord, extra_specs=MAPS, rxtx_factor=st.floats(0.01, 100))
PORTS = st.builds(
    PortRecord,
    fixed_ips=st.lists(st.builds(FixedIpRecord), max_size=2).map(tuple),
    security_group_ids=st.lists(TEXTS, max_size=2).map(tuple),
)
RECORDS = st.builds(
    GuestMetadata,
    flavor=FLAVORS,
    created_at=st.datetimes(timezones=st.just(UTC)),
    image_id=st.none() | TEXTS,
    image_name=st.none() | TEXTS,
    image_properties=MAPS,
    key_name=st.none() | TEXTS,
    ports=st.lists(PORTS, max_size=2).map(tuple),
    disks=st.lists(st.builds(DiskRecord, volume_id=st.none() | TEXTS), max_size=2).map(tuple),
    user_metadata=MAPS,
    tags=st.lists(TEXTS, max_size=3).map(tuple),
    description=st.none() | TEXTS,
)


@given(RECORDS)
def test_metadata_reads_back_as_it_was_written(record):
    element = metadata_element(record)
    ET.indent(element)

    assert parse_metadata(ET.tostring(element, encoding="unicode")) == record


@given(TEXTS.map(lambda text: f"\\{text}\\a;"))
def test_text_that_looks_escaped_stays_itself(text):
    record = dataclasses.replace(specs.metadata(), name=text)

    xml = ET.tostring(metadata_element(record), encoding="unicode")

    assert parse_metadata(xml).name == text


@pytest.mark.parametrize("xml", ["<server/>", "<other/>", "<server", ""])
def test_damaged_metadata_is_a_driver_error(xml):
    with pytest.raises(DriverError):
        parse_metadata(xml)

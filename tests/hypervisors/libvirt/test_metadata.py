import dataclasses
import types
import typing
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypervisors.libvirt.errors import DriverError
from hypervisors.libvirt.metadata import NAMESPACE, metadata_element, parse_metadata
from hypervisors.libvirt.records import GuestMetadata
from tests.hypervisors.libvirt import specs

TEXTS = st.text(max_size=20)
SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    int: st.integers(0, 2**40),
    float: st.floats(0.01, 100),
    bool: st.booleans(),
    datetime: st.datetimes(timezones=st.just(UTC)),
    types.NoneType: st.none(),
}


def records(kind: Any) -> st.SearchStrategy[Any]:
    """Any record of this kind, with every field given, also those that have defaults."""
    hints = typing.get_type_hints(kind)
    fields = {item.name: values(hints[item.name]) for item in dataclasses.fields(kind)}
    return st.builds(kind, **fields)


def values(hint: Any) -> st.SearchStrategy[Any]:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return records(hint)
    if origin is types.UnionType:
        return st.one_of(*map(values, inner))
    if origin is tuple:
        return st.lists(values(inner[0]), max_size=2).map(tuple)
    if origin is Mapping:
        return st.dictionaries(TEXTS, TEXTS, max_size=2)
    return SCALARS[hint]


@given(records(GuestMetadata))
def test_metadata_reads_back_as_it_was_written(record):
    element = metadata_element(record)
    ET.indent(element)

    assert parse_metadata(ET.tostring(element, encoding="unicode")) == record


@given(TEXTS.map(lambda text: f"\\{text}\\a;"))
def test_text_that_looks_escaped_stays_itself(text):
    record = dataclasses.replace(specs.metadata(), name=text)

    xml = ET.tostring(metadata_element(record), encoding="unicode")

    assert parse_metadata(xml).name == text


def test_metadata_of_an_older_release_reads_with_defaults():
    xml = f"""
    <cloudportal:server xmlns:cloudportal="{NAMESPACE}" server_id="s" name="one" project_id="p"
        project_name="demo" user_id="u" user_name="ann" hostname="one" availability_zone="nova"
        created_at="2026-11-23T12:00:00+00:00">
      <cloudportal:flavor id="1" name="m1.tiny" vcpus="1" ram_mib="64" disk_gib="1"/>
      <cloudportal:ports id="port" network_id="net" mac="52:54:00:aa:bb:01"/>
    </cloudportal:server>"""

    found = parse_metadata(xml)

    assert (found.networks, found.image, found.updated_at) == ((), None, None)
    assert found.project_domain_id == "default"
    assert (found.ports[0].device_index, found.ports[0].made_for_server) == (0, True)


def test_what_a_later_release_added_is_passed_over():
    element = metadata_element(specs.metadata())
    element.set("colour", "red")
    ET.SubElement(element, f"{{{NAMESPACE}}}leases", {"until": "tomorrow"})

    assert parse_metadata(ET.tostring(element, encoding="unicode")) == specs.metadata()


@pytest.mark.parametrize("xml", ["<server/>", "<other/>", "<server", ""])
def test_damaged_metadata_is_a_driver_error(xml):
    with pytest.raises(DriverError):
        parse_metadata(xml)

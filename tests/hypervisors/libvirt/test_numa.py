"""Cells of hosts as libvirt tells of them, and what is kept of them and of guests on them."""

from pathlib import Path
from xml.etree import ElementTree as ET

import libvirt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypervisors.libvirt.numa import (
    HostCell,
    NumaNode,
    NumaPlacement,
    NumaRequest,
    PlacedNode,
    format_cpus,
    host_cells,
    parse_cpus,
)

DATA = Path(__file__).parent / "data"


def two_cells() -> tuple[HostCell, ...]:
    return host_cells(ET.parse(DATA / "capabilities_two_cells.xml").getroot())


def test_cells_have_cores_with_their_threads_memory_and_pages():
    first, second = two_cells()

    assert first.cores == ((0, 8), (1, 9), (2, 10), (3, 11))
    assert second.cpus == (4, 5, 6, 7, 12, 13, 14, 15)
    assert first.ram_mib == 32768
    assert first.pages == {4: 28 * 1024 * 1024 // 4, 2048: 2048, 1048576: 0}
    assert second.pages[1048576] == 2


def test_cells_of_libvirts_own_test_host_are_read():
    connection = libvirt.open("test:///default")
    try:
        cells = host_cells(ET.fromstring(connection.getCapabilities()))
    finally:
        connection.close()

    assert [cell.id for cell in cells] == [0, 1]
    assert cells[1].cpus == tuple(range(8, 16))


def test_a_host_that_tells_of_no_cells_has_none():
    assert host_cells(ET.fromstring("<capabilities><host/></capabilities>")) == ()


def test_a_cpu_that_is_off_line_is_not_counted():
    xml = (
        "<capabilities><host><topology><cells><cell id='0'><memory unit='GiB'>2</memory>"
        "<cpus><cpu id='0' siblings='0-1'/><cpu id='1' siblings='0-1'/><cpu id='2'/></cpus>"
        "</cell></cells></topology></host></capabilities>"
    )

    [cell] = host_cells(ET.fromstring(xml))

    assert (cell.cores, cell.ram_mib) == (((0, 1),), 2048)


def test_cells_and_placements_are_read_back_as_they_were_kept():
    cell = two_cells()[1]
    request = NumaRequest((NumaNode((0, 1), 512),), "large", True, "isolate")
    placement = NumaPlacement(request, (PlacedNode((0, 1), 512, 1, (4, 5), (12, 13)),), 2048, True)

    assert HostCell.from_json(cell.to_json()) == cell
    assert NumaPlacement.from_json(placement.to_json()) == placement


@given(st.sets(st.integers(0, 300), min_size=1))
def test_a_list_of_cpus_is_read_as_it_is_written(cpus):
    assert set(parse_cpus(format_cpus(cpus))) == cpus


@pytest.mark.parametrize(
    ("text", "cpus"), [("0-3,^2", (0, 1, 3)), ("4, 1", (1, 4)), ("7", (7,)), ("0-1,1-2", (0, 1, 2))]
)
def test_lists_name_cpus_and_ranges_and_leave_some_out(text, cpus):
    assert parse_cpus(text) == cpus


@pytest.mark.parametrize("text", ["", "a", "1-", "3-1", "-1", "1,,2", "0-99999999999"])
def test_what_is_no_list_of_cpus_is_refused(text):
    with pytest.raises(ValueError, match="no list of CPUs"):
        parse_cpus(text)

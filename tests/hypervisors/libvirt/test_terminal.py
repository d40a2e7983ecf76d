"""A guest's serial line, against a real host: CLOUDPORTAL_TEST_URI or the local libvirtd."""

import threading
from uuid import UUID, uuid4

import pytest

from hypervisors.libvirt import console, guest, host, storage, transfer
from hypervisors.libvirt.connection import open_connection
from hypervisors.libvirt.domain_xml import domain_xml
from hypervisors.libvirt.errors import DriverError, NotThere, WrongState
from hypervisors.libvirt.spec import DiskSpec, GuestSpec
from hypervisors.libvirt.terminal import open_terminal
from tests.hypervisors.libvirt import specs
from tests.hypervisors.libvirt.machine import MIB, wait_until

# Says A, then gives back what it is given: wait on port 0x3fd until a byte is there; read it from
# 0x3f8 and write it there.
ECHO = bytes.fromhex("baf803 b041 ee bafd03 ec a801 74fb baf803 ec ee ebf1")
TEST = "test:///default"


class Screen:
    """What a terminal was sent, and how often it ended."""

    def __init__(self):
        self.seen = b""
        self.ends = 0
        self._lock = threading.Lock()

    def show(self, data):
        with self._lock:
            self.seen += data

    def end(self):
        self.ends += 1


@pytest.fixture
def echo(connection, pool):
    """A running guest that gives back what it is given; gone afterwards."""
    uuid = uuid4()
    root = f"{uuid}_root"
    sector = ECHO.ljust(510, b"\0") + b"\x55\xaa"
    transfer.put_content(connection, pool, root, sector.ljust(MIB, b"\0"))
    found = host.inventory(connection)
    spec = GuestSpec(
        uuid=uuid,
        name=f"cp-test-{uuid}",
        title="echo",
        vcpus=1,
        ram_mib=32,
        machine=found.machines["q35"],
        metadata=specs.metadata(uuid),
        domain_type=found.domain_types[-1],
        disks=(DiskSpec(pool, root, "root", format="raw", boot_order=1),),
        interfaces=(),
        console_log_path=console.prepare_console_log(connection, pool, uuid),
    )
    guest.define_guest(connection, domain_xml(spec))
    guest.start_guest(connection, uuid)
    wait_until(lambda: b"A" in console.read_console_log(connection, pool, uuid).content)
    yield uuid
    guest.remove_guest(connection, uuid)
    console.remove_console_log(connection, pool, uuid)
    storage.delete_volume(connection, pool, root)


@pytest.mark.lab
def test_what_is_typed_reaches_the_guest_and_its_log(connection, pool, echo):
    first, second = Screen(), Screen()
    terminal = open_terminal(connection, echo, first.show, first.end)

    terminal.send(b"hello")
    wait_until(lambda: b"hello" in first.seen)
    wait_until(lambda: b"hello" in console.read_console_log(connection, pool, echo).content)

    # Who takes the line puts the one before out.
    other = open_terminal(connection, echo, second.show, second.end)
    wait_until(lambda: first.ends == 1)
    assert not terminal.is_alive()
    with pytest.raises(WrongState):
        terminal.send(b"x")
    other.send(b"again")
    wait_until(lambda: b"again" in second.seen)

    # Given back, it is free; the line that was taken over gives nothing back twice.
    terminal.close()
    other.close()
    third = Screen()
    last = open_terminal(connection, echo, third.show, third.end)
    guest.destroy_guest(connection, echo)
    wait_until(lambda: third.ends == 1)
    assert (first.ends, second.ends) == (1, 0)
    last.close()
    with pytest.raises(WrongState):
        open_terminal(connection, echo, third.show, third.end)


@pytest.mark.lab
def test_a_connection_that_is_closed_takes_the_line_along(pool, echo):
    own = open_connection("qemu:///system")
    screen = Screen()
    terminal = open_terminal(own, echo, screen.show, screen.end)

    own.close()

    assert not terminal.is_alive()
    terminal.close()
    with pytest.raises(DriverError):
        terminal.send(b"x")


def test_a_guest_that_is_not_there_has_no_line():
    opened = open_connection(TEST)

    with pytest.raises(NotThere):
        open_terminal(opened, uuid4(), print, print)
    with pytest.raises(DriverError):
        open_terminal(opened, UUID(opened.call(only_guest)), print, print)
    opened.close()


def only_guest(raw):
    return raw.lookupByName("test").UUIDString()

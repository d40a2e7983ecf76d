import dataclasses
import inspect
from uuid import uuid4

import libvirt
import pytest
from hypothesis import HealthCheck, given, settings

from hypervisors.libvirt import guest
from hypervisors.libvirt.connection import open_connection
from hypervisors.libvirt.errors import Busy, DriverError, NotThere, WrongState
from hypervisors.libvirt.records import GuestMetadata
from tests.hypervisors.libvirt import specs
from tests.hypervisors.libvirt.test_metadata import records

XML = (
    "<domain type='test'><name>{name}</name><uuid>{uuid}</uuid><memory>1024</memory>"
    "<os><type>hvm</type></os></domain>"
)


@pytest.fixture
def connection():
    """libvirt's own simulated host."""
    opened = open_connection("test:///default")
    yield opened
    opened.close()


@pytest.fixture
def server(connection):
    uuid = uuid4()
    guest.define_guest(connection, XML.format(name=f"t-{uuid}", uuid=uuid))
    yield uuid
    guest.destroy_guest(connection, uuid)
    # The simulated host knows none of the flags a real one is asked with.
    connection.call(lambda raw: raw.lookupByUUID(uuid.bytes).undefine())


def test_guest_is_started_once_however_often_asked(connection, server):
    guest.start_guest(connection, server)
    guest.start_guest(connection, server)

    assert guest.guest_info(connection, server).power_state == "running"


def test_guest_is_destroyed_once_however_often_asked(connection, server):
    guest.start_guest(connection, server)

    guest.destroy_guest(connection, server)
    guest.destroy_guest(connection, server)

    assert guest.wait_state(connection, server, "shutdown", 1)


def test_guest_that_goes_by_itself_was_shut_down_cleanly(connection, server):
    guest.start_guest(connection, server)

    assert guest.shutdown_clean(connection, server, 5)


def test_reboot_ends_with_a_running_guest_also_from_off(connection, server):
    assert guest.reboot_soft(connection, server, 5)
    assert guest.reboot_soft(connection, server, 5)
    guest.reboot_hard(connection, server)

    assert guest.guest_info(connection, server).power_state == "running"


class Going:
    """A domain that goes off between the look and the call, or comes on."""

    def __init__(self, code: int, text: str) -> None:
        self.error = libvirt.libvirtError("x")
        self.error.err = (code, libvirt.VIR_FROM_QEMU, text, 2, text, None, None, -1, -1)

    def lookupByUUID(self, uuid):  # noqa: N802 - libvirt's own name
        return self

    def isActive(self):  # noqa: N802 - libvirt's own name
        return False

    def hasManagedSaveImage(self):  # noqa: N802 - libvirt's own name
        return False

    def create(self):
        raise self.error


@pytest.mark.once
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Requested operation is not valid: domain is already running", Busy),
        ("Requested operation is not valid: domain is not running", Busy),
        ("Requested operation is not valid: network 'default' is not active", WrongState),
    ],
)
def test_only_a_state_that_changed_meanwhile_is_asked_for_again_by_a_hard_reboot(text, kind):
    domain = Going(libvirt.VIR_ERR_OPERATION_INVALID, text)

    with pytest.raises(kind):
        inspect.unwrap(guest.reboot_hard)(domain, uuid4())


def test_absent_guest_is_removed_without_complaint(connection):
    guest.remove_guest(connection, uuid4())
    guest.destroy_guest(connection, uuid4())
    guest.undefine_guest(connection, uuid4())


def test_absent_guest_cannot_be_started(connection):
    with pytest.raises(NotThere):
        guest.start_guest(connection, uuid4())


def test_ours_are_the_guests_with_our_metadata(connection, server):
    record = dataclasses.replace(specs.metadata(server), generation=2)
    assert guest.list_guests(connection) == []

    guest.write_metadata(connection, server, record)

    assert [found.uuid for found in guest.list_guests(connection)] == [server]
    assert len(guest.list_guests(connection, ours_only=False)) > 1
    assert guest.read_metadata(connection, server) == record


@given(record=records(GuestMetadata))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_written_is_read_back_through_libvirt(connection, server, record):
    guest.write_metadata(connection, server, record)

    assert guest.read_metadata(connection, server) == record


def test_portable_pixmap_becomes_a_png():
    png = guest._ppm_to_png(b"P6\n2 1\n255\n" + bytes(6))

    assert png.startswith(b"\x89PNG")
    assert png.endswith(b"IEND\xaeB`\x82")
    with pytest.raises(DriverError):
        guest._ppm_to_png(b"GIF89a")

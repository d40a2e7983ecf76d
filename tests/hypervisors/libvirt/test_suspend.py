"""Guests that stand still, on libvirt's own simulated host."""

from uuid import uuid4

import pytest

from hypervisors.libvirt import guest, suspend
from hypervisors.libvirt.connection import open_connection
from hypervisors.libvirt.errors import DriverError, NotThere
from tests.hypervisors.libvirt.test_guest import XML


@pytest.fixture
def connection():
    opened = open_connection("test:///default")
    yield opened
    opened.close()


@pytest.fixture
def server(connection):
    """A guest that runs."""
    uuid = uuid4()
    guest.define_guest(connection, XML.format(name=f"t-{uuid}", uuid=uuid))
    guest.start_guest(connection, uuid)
    yield uuid
    guest.reboot_hard(connection, uuid)
    guest.destroy_guest(connection, uuid)
    connection.call(lambda raw: raw.lookupByUUID(uuid.bytes).undefine())


def state(connection, server):
    info = guest.guest_info(connection, server)
    return info.power_state, info.is_saved


def test_guest_is_halted_and_runs_on_however_often_asked(connection, server):
    for _ in range(2):
        suspend.pause_guest(connection, server)
    assert state(connection, server) == ("paused", False)

    for _ in range(2):
        suspend.unpause_guest(connection, server)
    assert state(connection, server) == ("running", False)


def test_guest_is_saved_and_runs_on_however_often_asked(connection, server):
    for _ in range(2):
        suspend.suspend_guest(connection, server)
    assert state(connection, server) == ("shutdown", True)

    for _ in range(2):
        suspend.resume_guest(connection, server, may_boot=True)
    assert state(connection, server) == ("running", False)


def test_guest_with_nothing_saved_boots_only_if_it_may(connection, server):
    guest.destroy_guest(connection, server)

    suspend.resume_guest(connection, server, may_boot=False)
    assert state(connection, server) == ("shutdown", False)
    suspend.resume_guest(connection, server, may_boot=True)
    assert state(connection, server) == ("running", False)


def test_halted_guest_runs_on_when_resumed(connection, server):
    suspend.pause_guest(connection, server)

    suspend.resume_guest(connection, server, may_boot=False)

    assert state(connection, server) == ("running", False)


def test_hard_reboot_forgets_what_is_saved(connection, server):
    suspend.suspend_guest(connection, server)

    guest.reboot_hard(connection, server)

    assert state(connection, server) == ("running", False)


def test_guest_that_is_off_can_neither_be_halted_nor_saved(connection, server):
    guest.destroy_guest(connection, server)

    for act in (suspend.pause_guest, suspend.unpause_guest, suspend.suspend_guest):
        # A real host names the wrong state; the simulated one has no word for it.
        with pytest.raises(DriverError):
            act(connection, server)


def test_absent_guest_is_named_so(connection):
    for act in (suspend.pause_guest, suspend.suspend_guest, suspend.interrupt_guest):
        with pytest.raises(NotThere):
            act(connection, uuid4())

"""libvirt tells what becomes of guests, and whoever listens is told once of each change."""

import threading
import time
from uuid import UUID, uuid4

import pytest

from hypervisors.libvirt.connection import open_connection
from hypervisors.libvirt.events import GuestEvent, listen

TEST = "test:///default"
DOMAIN = """<domain type="test"><name>events-{uuid}</name><uuid>{uuid}</uuid><memory>1024</memory>
<os><type>hvm</type></os></domain>"""
WITHIN_S = 20


class Noted:
    """A listener that keeps what it is told."""

    def __init__(self):
        self.events: list[GuestEvent] = []
        self.lost = threading.Event()

    def guest_changed(self, event):
        self.events.append(event)

    def connection_lost(self):
        self.lost.set()

    def of(self, uuid: UUID) -> list[str]:
        return [event.what for event in self.events if event.uuid == uuid]

    def wait(self, uuid: UUID, whats: list[str]):
        ends_at = time.monotonic() + WITHIN_S
        while self.of(uuid) != whats and time.monotonic() < ends_at:
            time.sleep(0.01)
        assert self.of(uuid) == whats


@pytest.fixture
def connection():
    opened = open_connection(TEST)
    yield opened
    opened.close()


class Guest:
    """A guest of the test's own."""

    def __init__(self, connection):
        self.connection = connection
        self.uuid = uuid4()

    def define(self):
        self.connection.call(lambda raw: raw.defineXML(DOMAIN.format(uuid=self.uuid)))

    def act(self, verb):
        self.connection.call(lambda raw: getattr(raw.lookupByUUID(self.uuid.bytes), verb)())


@pytest.fixture
def guest(connection):
    return Guest(connection)


def test_each_change_of_a_guest_is_told(connection, guest):
    noted = Noted()
    listen(connection, noted)

    guest.define()
    for verb in ("create", "suspend", "resume", "destroy", "undefine"):
        guest.act(verb)

    whats = ["defined", "started", "suspended", "resumed", "stopped", "undefined"]
    noted.wait(guest.uuid, whats)


def test_listening_twice_is_listening_once(connection, guest):
    noted = Noted()
    for _ in range(3):
        listen(connection, noted)

    guest.define()
    guest.act("undefine")

    noted.wait(guest.uuid, ["defined", "undefined"])


def test_closed_connection_tells_nothing_more(connection, guest):
    other, noted, here = open_connection(TEST), Noted(), Noted()
    listen(other, noted)
    listen(connection, here)
    other._close()

    guest.define()
    guest.act("undefine")

    here.wait(guest.uuid, ["defined", "undefined"])
    assert noted.of(guest.uuid) == []

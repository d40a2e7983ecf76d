"""Cards plugged in and taken out, by the real local libvirt; the guest has no system to boot."""

import dataclasses
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest

from hypervisors.libvirt import guest, interfaces, network
from hypervisors.libvirt.domain_xml import domain_xml
from hypervisors.libvirt.errors import NotThere
from hypervisors.libvirt.network import NatNetworkSpec
from hypervisors.libvirt.spec import GuestSpec, InterfaceSpec
from tests.hypervisors.libvirt import specs

pytestmark = pytest.mark.lab


@pytest.fixture
def lan(connection):
    """A network of the test's own."""
    uuid = uuid4()
    name = f"cpt-{uuid.hex[:8]}"
    bridge = f"cpt{uuid.hex[:8]}"
    spec = NatNetworkSpec(name, bridge, uuid, "198.18.77.0/28", "198.18.77.1")
    network.ensure_network(connection, spec)
    yield name
    network.remove_network(connection, name)


@pytest.fixture
def server(connection, lan) -> Iterator[GuestSpec]:
    """A guest without disks or cards, defined."""
    uuid = uuid4()
    spec = dataclasses.replace(
        specs.linux(),
        uuid=uuid,
        name=f"t-{uuid}",
        disks=(),
        interfaces=(),
        console_log_path=None,
    )
    guest.define_guest(connection, domain_xml(spec))
    yield spec
    guest.remove_guest(connection, uuid)


def card(lan: str, number: int = 1) -> InterfaceSpec:
    return InterfaceSpec(str(uuid4()), f"52:54:00:aa:cc:{number:02x}", lan)


def kept(connection, uuid: UUID) -> int:
    """How many cards the kept definition has."""
    xml = connection.call(lambda raw: raw.lookupByUUID(uuid.bytes).XMLDesc(2))
    return int(xml.count("<interface "))


def test_a_card_goes_into_a_guest_that_is_off_and_out_again(connection, server, lan):
    for _ in range(2):
        interfaces.attach_interface(connection, server, card(lan))
    assert interfaces.list_cards(connection, server.uuid) == ["52:54:00:aa:cc:01"]

    for _ in range(2):
        assert interfaces.detach_interface(connection, server.uuid, "52:54:00:AA:CC:01", 5.0)
    assert interfaces.list_cards(connection, server.uuid) == []


def test_a_guest_that_runs_has_room_for_several_cards(connection, server, lan):
    guest.start_guest(connection, server.uuid)

    for number in range(1, 5):
        interfaces.attach_interface(connection, server, card(lan, number))

    assert len(interfaces.list_cards(connection, server.uuid)) == 4
    assert kept(connection, server.uuid) == 4


def test_a_half_made_card_is_completed(connection, server, lan):
    interfaces.attach_interface(connection, server, card(lan))
    guest.start_guest(connection, server.uuid)
    # As after a caller that died before the running guest had it.
    half = card(lan, 2)
    interfaces.attach_interface(connection, server, half)

    interfaces.attach_interface(connection, server, half)

    assert len(interfaces.list_cards(connection, server.uuid)) == 2


def test_a_guest_that_does_not_answer_keeps_its_card(connection, server, lan):
    """It has no system that would let a card go."""
    guest.start_guest(connection, server.uuid)
    interfaces.attach_interface(connection, server, card(lan))

    assert not interfaces.detach_interface(connection, server.uuid, "52:54:00:aa:cc:01", 1.0)

    assert kept(connection, server.uuid) == 1
    guest.destroy_guest(connection, server.uuid)
    assert interfaces.detach_interface(connection, server.uuid, "52:54:00:aa:cc:01", 1.0)
    assert kept(connection, server.uuid) == 0


def test_what_is_absent_is_named_or_fine(connection, server, lan):
    absent = dataclasses.replace(server, uuid=uuid4())

    with pytest.raises(NotThere):
        interfaces.attach_interface(connection, absent, card(lan))
    assert interfaces.detach_interface(connection, absent.uuid, "52:54:00:aa:cc:01", 1.0)
    assert interfaces.detach_interface(connection, server.uuid, "52:54:00:aa:cc:01", 1.0)

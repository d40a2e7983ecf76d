"""The agent's channel, by the real local libvirt; the guest has no system that could answer."""

import dataclasses
from uuid import uuid4

import pytest

from hypervisors.libvirt import agent, guest
from hypervisors.libvirt.domain_xml import domain_xml
from hypervisors.libvirt.errors import Busy, NotThere, Unsupported, WrongState
from hypervisors.libvirt.features import GuestFeatures
from tests.hypervisors.libvirt import specs

pytestmark = pytest.mark.lab


@pytest.fixture
def define(connection):
    """Define a guest without disks or cards; its id."""
    made = []

    def make(features: GuestFeatures):
        uuid = uuid4()
        spec = dataclasses.replace(
            specs.linux(),
            uuid=uuid,
            name=f"t-{uuid}",
            ram_mib=64,
            features=features,
            disks=(),
            interfaces=(),
            console_log_path=None,
        )
        guest.define_guest(connection, domain_xml(spec))
        made.append(uuid)
        return uuid

    yield make
    for uuid in made:
        guest.remove_guest(connection, uuid)


def test_a_guest_without_a_channel_has_no_agent(connection, define):
    uuid = define(GuestFeatures())
    guest.start_guest(connection, uuid)

    assert agent.agent_state(connection, uuid) == "absent"
    assert agent.made_as(connection, uuid).machine.startswith("pc-q35-")
    with pytest.raises(Unsupported):
        agent.set_password(connection, uuid, "root", "secret")


def test_an_agent_that_never_spoke_is_silent(connection, define):
    uuid = define(GuestFeatures(has_guest_agent=True))

    assert agent.agent_state(connection, uuid) == "silent"
    with pytest.raises(WrongState):
        agent.set_password(connection, uuid, "root", "secret")
    guest.start_guest(connection, uuid)
    assert agent.agent_state(connection, uuid) == "silent"
    with pytest.raises(Busy):
        agent.set_password(connection, uuid, "root", "secret")


def test_a_guest_that_is_not_there_is_named_so(connection):
    for ask in (agent.agent_state, agent.made_as):
        with pytest.raises(NotThere):
            ask(connection, uuid4())

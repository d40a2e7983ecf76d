"""A host that is known to be down is waited for no longer than it takes to know that again."""

import pytest

from hypervisors import connections
from hypervisors.connections import KNOWN_DOWN_S, connected, hurried
from hypervisors.libvirt.calls import GIVE_UP_S, give_up_s, giving_up_after
from hypervisors.models import HostState, Hypervisor


@pytest.fixture(autouse=True)
def host_that_is_not_asked(monkeypatch):
    monkeypatch.setattr(connections, "open_host", lambda hypervisor: hypervisor)


@pytest.mark.parametrize(
    ("state", "borne_s"),
    [
        (HostState.UP, GIVE_UP_S),
        (HostState.UNKNOWN, GIVE_UP_S),
        (HostState.DOWN, KNOWN_DOWN_S),
    ],
)
def test_silence_is_borne_for_as_long_as_the_host_is_thought_to_live(state, borne_s):
    with connected(Hypervisor(name="h", state=state)):
        assert give_up_s() == borne_s

    assert give_up_s() == GIVE_UP_S


def test_who_has_less_patience_keeps_it():
    with giving_up_after(1.0), connected(Hypervisor(name="h", state=HostState.DOWN)):
        assert give_up_s() == 1.0


def test_work_that_a_debt_takes_over_gives_up_early():
    with hurried(), connected(Hypervisor(name="h", state=HostState.UP)):
        assert give_up_s() == KNOWN_DOWN_S

    with giving_up_after(1.0), hurried():
        assert give_up_s() == 1.0

"""Displays and serial lines of guests, on a fake host."""

import pytest

from hypervisors import consoles
from hypervisors.errors import GuestNotFound, WrongGuestState
from hypervisors.models import Hypervisor


def test_a_display_is_reached_by_ssh_on_another_machine(hypervisor, host, spec, ssh_dir):
    host.start_guest(spec.uuid)

    display = consoles.find_display(hypervisor, spec.uuid)

    assert display.port == 5900
    assert display.command[0] == str(ssh_dir / "ssh")
    assert display.command[-4:] == ("-W", "127.0.0.1:5900", "--", "host1")


def test_a_display_of_this_machine_is_on_its_own_loopback(hypervisor, host, spec):
    Hypervisor.objects.update(uri="qemu:///system")
    hypervisor.refresh_from_db()
    host.start_guest(spec.uuid)

    assert consoles.find_display(hypervisor, spec.uuid) == consoles.Display(5900)


def test_a_guest_that_is_off_has_neither(hypervisor, host, spec):
    assert consoles.display_port(hypervisor, spec.uuid) is None
    with pytest.raises(WrongGuestState, match="does not run"):
        consoles.find_display(hypervisor, spec.uuid)
    with pytest.raises(WrongGuestState):
        consoles.open_terminal(hypervisor, spec.uuid, print, print)


def test_a_guest_that_is_gone_is_named_so(hypervisor, host, spec):
    host.remove_guest(spec.uuid)

    with pytest.raises(GuestNotFound):
        consoles.find_display(hypervisor, spec.uuid)


def test_keys_reach_the_guest_until_its_line_ends(hypervisor, host, spec):
    host.start_guest(spec.uuid)
    terminal = consoles.open_terminal(hypervisor, spec.uuid, print, print)

    consoles.send_keys(hypervisor, terminal, b"ls\r")

    assert host.terminals[spec.uuid].typed == b"ls\r"
    terminal.close()
    with pytest.raises(WrongGuestState):
        consoles.send_keys(hypervisor, terminal, b"x")

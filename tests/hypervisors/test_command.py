import io

import pytest
from django.core.management import CommandError, call_command

from hypervisors import ssh
from hypervisors.fence_command import words_of
from hypervisors.libvirt.spec import HostCheck
from hypervisors.management.commands import hypervisor as command
from hypervisors.models import Hypervisor
from tests.hypervisors.test_register import OTHER, URI
from tests.hypervisors.test_register import shown as shown
from tests.hypervisors.test_ssh import ED25519


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def _run(*words):
    out = io.StringIO()
    call_command("hypervisor", *words, stdout=out)
    return out.getvalue()


def test_add_with_the_accepted_fingerprint_prints_the_checks(db, hosts, shown):
    said = _run("add", "host9", URI, "--accept-host-key", ED25519.fingerprint)

    assert "CHECK" in said
    assert f"The accepted ssh-ed25519: {ED25519.fingerprint}" in said
    assert "The hypervisor host9 is up: 8 vCPUs, 16384 MiB RAM, 200 GiB disk." in said


def test_add_without_a_terminal_shows_the_key_and_refuses(db, hosts, shown, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())

    with pytest.raises(CommandError, match="--accept-host-key SHA256:"):
        _run("add", "host9", URI)

    assert not Hypervisor.objects.exists()


def test_add_at_a_terminal_asks(db, hosts, shown, monkeypatch):
    monkeypatch.setattr("sys.stdin", _Terminal("yes\n"))

    _run("add", "host9", URI)

    assert Hypervisor.objects.exists()


@pytest.mark.parametrize("answer", ["y", "no", ""])
def test_anything_but_yes_at_a_terminal_refuses(db, hosts, shown, monkeypatch, answer):
    monkeypatch.setattr("sys.stdin", _Terminal(f"{answer}\n"))

    with pytest.raises(CommandError, match="not accepted"):
        _run("add", "host9", URI)

    assert not Hypervisor.objects.exists()


def test_yes_accepts_what_is_shown(db, hosts, shown):
    assert f"Accepted, as told to: {ED25519.fingerprint}" in _run("add", "host9", URI, "--yes")


def test_exist_ok_adds_once(db, hosts, shown):
    for _ in range(2):
        said = _run("add", "host9", URI, "--yes", "--exist-ok")

    assert "is there already" in said
    with pytest.raises(CommandError, match="has that name or URI"):
        _run("add", "host9", URI, "--yes")


def test_unfit_host_is_told_how_to_mend_it(db, hosts, shown, capsys):
    hosts["host9"].found_checks = [
        HostCheck("ssh", True, "Fine."),
        HostCheck("qemu", False, "There is no QEMU.", "Install qemu-system on the host."),
    ]
    out = io.StringIO()

    with pytest.raises(CommandError, match="not ready"):
        call_command("hypervisor", "add", "host9", URI, "--yes", stdout=out)

    assert "MISSING  qemu" in out.getvalue()
    assert "To mend qemu: Install qemu-system on the host." in out.getvalue()


def test_check_list_accept_and_remove(db, hosts, shown):
    _run("add", "host9", URI, "--yes")

    assert "NAT networks" in _run("check", "host9")
    assert "host9  up" in _run("list")
    shown[:] = [OTHER]
    with pytest.raises(CommandError, match="not ready"):
        _run("check", "host9")
    assert OTHER.fingerprint in _run("accept-key", "host9", "--yes")
    assert "NAT networks" in _run("check", "host9")
    assert "forgotten" in _run("remove", "host9")
    with pytest.raises(CommandError, match="There is no hypervisor host9"):
        _run("check", "host9")


def test_bad_uri_is_refused_in_words(db, hosts, ssh_dir):
    with pytest.raises(CommandError, match="no_verify is not allowed"):
        _run("add", "x", "qemu+ssh://root@h/system?no_verify=1", "--yes")


def test_key_is_the_portals_own(db, ssh_dir):
    assert _run("key").strip() == ssh.public_key()


def test_accept_key_of_this_machine_is_refused(hosts, db):
    Hypervisor.objects.create(name="local", uri="qemu:///system")

    with pytest.raises(CommandError, match="no SSH key"):
        _run("accept-key", "local", "--yes")


def test_marks_cover_all_answers_of_a_check():
    assert set(command._MARKS) == {True, False, None}


def test_a_fence_command_is_set_shown_by_its_program_alone_and_taken_away(hypervisor):
    words = ("/bin/true", "-H", "{host}", "-P", "secret")

    said = _run(
        "fence-command", "host1", "--after-s", "60", "--timeout-s", "5", "--command", *words
    )

    hypervisor.refresh_from_db()
    assert words_of(hypervisor) == words
    assert "by /bin/true (4 arguments, not shown)" in said
    assert "secret" not in said
    assert _run("fence-command", "host1") == said
    assert "down for 90 s" in _run("fence-command", "host1", "--after-s", "90")
    assert "no fence command" in _run("fence-command", "host1", "--none")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--command", "poweroff"), "whole path"),
        (("--none", "--command", "/bin/true"), "A command, or --none"),
        (("--after-s", "1", "--command", "/bin/true"), "times"),
    ],
)
def test_a_fence_command_that_cannot_be_one_is_refused(hypervisor, words, text):
    with pytest.raises(CommandError, match=text):
        _run("fence-command", "host1", *words)

    hypervisor.refresh_from_db()
    assert words_of(hypervisor) == ()


def test_the_list_says_what_becomes_of_the_servers_of_a_host(hypervisor):
    Hypervisor.objects.update(state="down", state_reason="Cold.", fence_note="It is not fenced.")

    assert "Cold. It is not fenced." in _run("list")


def test_an_administrator_says_where_a_host_is_on_networks_outside(hypervisor):
    name = hypervisor.name

    assert _run("physical-network", name, "rack", "eno1") == f"{name} is on rack at eno1.\n"
    assert "rack at br0" in _run("physical-network", name, "rack", "br0")
    assert _run("physical-network", name, "rack") == f"{name} is on no physical network.\n"
    with pytest.raises(CommandError, match="valid value"):
        _run("physical-network", name, "rack", "eno1; reboot")


def test_an_administrator_says_where_a_host_has_its_tunnels(hypervisor):
    name = hypervisor.name

    assert f"lead to {name} at 192.0.2.7" in _run("tunnel-address", name, "192.0.2.7")
    assert "192.0.2.7" not in _run("tunnel-address", name)
    with pytest.raises(CommandError, match="does not appear"):
        _run("tunnel-address", name, "nowhere")

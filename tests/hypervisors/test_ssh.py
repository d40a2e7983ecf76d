import stat
import subprocess
import threading

import pytest
from django.db import connection

from hypervisors import ssh
from hypervisors.errors import HostUnreachable
from hypervisors.models import SshIdentity
from hypervisors.ssh import HostKey
from hypervisors.uris import SshAddress

ADDRESS = SshAddress("Host1", 2222, "root")
ED25519 = HostKey(
    "ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAINrPaiFenDDM2DnXJyzug7xlarkA/1zFFo0oLo4XgLre"
)


def _mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_key_is_made_once_and_its_private_part_is_sealed(db, ssh_dir):
    first, second = ssh.public_key(), ssh.public_key()

    assert first == second
    assert first.startswith("ssh-ed25519 AAAA")
    assert "PRIVATE" not in SshIdentity.objects.get().sealed_private_key


def test_files_are_private_and_fit_the_stored_key(db, ssh_dir):
    wrapper = ssh.prepare(ADDRESS, "a line\n")

    key = ssh_dir / "id_ed25519"
    told = subprocess.run(["ssh-keygen", "-y", "-f", key], capture_output=True, text=True).stdout
    assert told.split()[:2] == ssh.public_key().split()[:2]
    assert [_mode(each) for each in (ssh_dir, key, wrapper)] == [0o700, 0o600, 0o700]
    assert (ssh_dir / "known_hosts.d" / "host1_2222").read_text() == "a line\n"


def test_ssh_takes_its_whole_configuration_from_the_portal(db, ssh_dir):
    wrapper = ssh.prepare(ADDRESS, "")

    done = subprocess.run([wrapper, "-G", "-p", "2222", "Host1"], capture_output=True, text=True)

    settings = dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)
    assert settings["batchmode"] == "yes"
    assert settings["stricthostkeychecking"] == "true"
    assert settings["identitiesonly"] == "yes"
    assert settings["identityfile"].endswith("/ssh dir/id_ed25519")
    assert settings["userknownhostsfile"].endswith("/ssh dir/known_hosts.d/host1_2222")


def test_second_machine_gets_the_same_key_from_the_database(db, settings, tmp_path):
    settings.SSH_DIR = tmp_path / "one"
    ssh.prepare(ADDRESS, "")
    settings.SSH_DIR = tmp_path / "two"
    ssh.prepare(ADDRESS, "")

    assert (tmp_path / "one/id_ed25519").read_bytes() == (tmp_path / "two/id_ed25519").read_bytes()


def test_new_database_adopts_the_key_hosts_already_let_in(db, ssh_dir):
    ssh.prepare(ADDRESS, "")
    before = ssh.public_key()

    SshIdentity.objects.all().delete()

    assert ssh.public_key() == before


def test_key_sealed_under_another_signing_key_is_named(db, ssh_dir, settings):
    ssh.public_key()
    settings.SECRET_KEY = "another"

    with pytest.raises(HostUnreachable, match="SECRET_KEY_FILE"):
        ssh.prepare(ADDRESS, "")


def test_known_hosts_follow_what_is_accepted(db, ssh_dir):
    known = ssh_dir / "known_hosts.d" / "host1_2222"

    ssh.prepare(ADDRESS, "old\n")
    ssh.prepare(ADDRESS, "new\n")
    assert known.read_text() == "new\n"

    ssh.forget(ADDRESS)
    assert not known.exists()


@pytest.mark.django_db(transaction=True)
def test_writers_at_once_make_one_key(ssh_dir):
    gate = threading.Barrier(6)

    def prepare():
        try:
            gate.wait()
            ssh.prepare(ADDRESS, "line\n")
        finally:
            connection.close()

    threads = [threading.Thread(target=prepare) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert SshIdentity.objects.count() == 1
    told = subprocess.run(
        ["ssh-keygen", "-y", "-f", ssh_dir / "id_ed25519"], capture_output=True, text=True
    )
    assert told.stdout.split()[1] == ssh.public_key().split()[1]
    assert not [each for each in ssh_dir.iterdir() if each.name.startswith(".")]


def test_fingerprint_is_what_ssh_keygen_says(tmp_path):
    public = tmp_path / "key.pub"
    public.write_text(f"{ED25519.kind} {ED25519.text}\n")

    told = subprocess.run(["ssh-keygen", "-lf", public], capture_output=True, text=True).stdout

    assert told.split()[1] == ED25519.fingerprint


def test_host_keys_are_read_back_best_first_and_nothing_else():
    lines = "# comment\nhost ssh-rsa AAAA\n" + ssh.known_hosts_lines(ADDRESS, [ED25519])

    keys = ssh.parse_host_keys(lines + "host ssh-ed25519 !!!\nhost ssh-dss AAAA\nrubbish")

    assert keys == [ED25519, HostKey("ssh-rsa", "AAAA")]


def test_scan_of_a_silent_host_says_so():
    with pytest.raises(HostUnreachable):
        ssh.scan_host_keys(SshAddress("127.0.0.1", 1), timeout_s=1)


def test_a_port_of_the_host_is_reached_with_the_portals_own_configuration(db, ssh_dir):
    address = SshAddress("host1", 2222, "root")

    command = ssh.forward_command(address, "", ("127.0.0.1", 5901))

    assert command == (
        *(str(ssh_dir / "ssh"), "-p", "2222", "-l", "root"),
        *("-W", "127.0.0.1:5901", "--", "host1"),
    )
    done = subprocess.run(
        [command[0], "-G", *command[1:]], capture_output=True, text=True, check=True
    )
    assert "batchmode yes" in done.stdout

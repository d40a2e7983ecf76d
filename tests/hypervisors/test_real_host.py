"""The way to a real host: an sshd of the test's own in front of the local libvirt."""

import hashlib
import os
import socket
import subprocess
import time
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from hypervisors import connections, guests, links, ssh
from hypervisors.check import check_hypervisor, is_fit
from hypervisors.connections import connected
from hypervisors.disks import BaseImage, DiskPlan, create_disks, delete_disks, ensure_base_image
from hypervisors.errors import HostKeyChanged, HostKeyUnknown, HostUnreachable, HypervisorNotReady
from hypervisors.guests import GuestFeatures, InterfaceSpec, platform_of
from hypervisors.links import FilterSpec, NatNetworkSpec
from hypervisors.look import look_at_host
from hypervisors.models import Hypervisor
from hypervisors.pools import default_pool
from hypervisors.register import add_hypervisor, offered_host_keys
from tests.hypervisors.factories import guest_spec
from tests.hypervisors.fake_host import assert_clean_slate

pytestmark = [pytest.mark.lab, pytest.mark.django_db(transaction=True)]

MIB = 1024**2
# mov dx,0x3f8; mov al,'A'; out dx,al; then halt: one letter on the serial console.
BOOT_SECTOR = bytes.fromhex("baf803b041eef4ebfd").ljust(510, b"\0") + b"\x55\xaa"


class Sshd:
    """An sshd on loopback with a host key and a list of logins of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.logins = folder / "authorized_keys"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri = f"qemu+ssh://root@127.0.0.1:{self.port}/system"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, key):
        """Run with this host key, made when it is not there yet."""
        path = self.folder / key
        if not path.exists():
            subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", path], check=True)
        config = self.folder / "sshd_config"
        config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {path}\nUsePAM no\n"
            f"AuthorizedKeysFile {self.logins}\nStrictModes no\nPermitRootLogin yes\nPidFile none\n"
        )
        os.makedirs("/run/sshd", exist_ok=True)
        self.process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-f", config])
        ends_at = time.monotonic() + 10
        while not self._listens():
            assert time.monotonic() < ends_at, "sshd does not listen"
            assert self.process.poll() is None, "sshd ended"

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)

    def _listens(self):
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def sshd(tmp_path):
    server = Sshd(tmp_path)
    server.start("host_key")
    yield server
    server.stop()


@pytest.fixture
def let_in(sshd, ssh_dir):
    """The portal's key is among the logins."""
    sshd.logins.write_text(ssh.public_key() + "\n")


@pytest.fixture
def registered(sshd, let_in):
    """The local libvirt, registered through ssh; the connection is closed afterwards."""
    (key,) = offered_host_keys(sshd.uri)
    done = add_hypervisor(
        name="real", uri=sshd.uri, accepted_fingerprint=key.fingerprint, now=timezone.now()
    )
    yield done.hypervisor
    connections.forget(done.hypervisor)


def test_host_is_added_over_ssh_and_fit(registered):
    host = Hypervisor.objects.get(name="real")

    assert (host.state, host.arch) == ("up", os.uname().machine)
    assert host.vcpus == os.cpu_count()
    assert host.disk_gib > 0
    checks = check_hypervisor(host)
    assert is_fit(checks), [check for check in checks if not check.ok]


def test_login_that_is_refused_names_the_line_to_add(sshd, ssh_dir):
    (key,) = offered_host_keys(sshd.uri)

    with pytest.raises(HypervisorNotReady) as caught:
        add_hypervisor(
            name="real", uri=sshd.uri, accepted_fingerprint=key.fingerprint, now=timezone.now()
        )

    first = caught.value.checks[0]
    assert (first.name, first.ok) == ("ssh", False)
    assert ssh.public_key() in first.remedy


def test_command_adds_after_the_remedy_was_followed(sshd, ssh_dir, capsys):
    with pytest.raises(CommandError, match="not ready"):
        call_command("hypervisor", "add", "real", sshd.uri, "--yes")
    line = capsys.readouterr().out.split("on the host: ")[1].splitlines()[0]
    sshd.logins.write_text(line + "\n")

    call_command("hypervisor", "add", "real", sshd.uri, "--yes")

    assert "The hypervisor real is up" in capsys.readouterr().out
    connections.forget(Hypervisor.objects.get())


def test_host_with_another_key_is_refused_until_it_is_accepted(registered, sshd):
    connections.forget(registered)
    sshd.stop()
    sshd.start("another_key")

    with pytest.raises(HostKeyChanged), connected(registered) as host:
        host.stats()
    assert look_at_host(registered, timezone.now()).reason.startswith("The host's SSH key is not")

    call_command("hypervisor", "accept-key", "real", "--yes")
    assert look_at_host(Hypervisor.objects.get(), timezone.now()).is_up


def test_host_whose_key_nobody_accepted_is_refused(registered):
    connections.forget(registered)
    registered.host_keys = ""

    with pytest.raises(HostKeyUnknown), connected(registered) as host:
        host.stats()


def test_dead_host_costs_its_timeout_once(registered, sshd):
    connections.forget(registered)
    sshd.stop()
    began = time.monotonic()

    for _ in range(20):
        with pytest.raises(HostUnreachable), connected(registered) as host:
            host.stats()
    sshd.start("host_key")

    assert time.monotonic() - began < 10
    assert not look_at_host(registered, timezone.now()).is_up


def test_server_comes_up_and_leaves_nothing(registered, tmp_path):
    server, pool, port = uuid4(), default_pool(registered), str(uuid4())
    content = BOOT_SECTOR.ljust(MIB, b"\0")
    source = tmp_path / "image.raw"
    source.write_bytes(content)
    image = BaseImage(uuid4(), hashlib.sha256(content).hexdigest(), "raw", source)
    net = NatNetworkSpec(
        f"cp-{uuid4().hex[:8]}", f"cpt{uuid4().hex[:8]}", uuid4(), "10.218.7.0/24", "10.218.7.1"
    )
    mac, platform = "52:54:00:12:34:56", platform_of(registered, GuestFeatures())
    try:
        base = ensure_base_image(
            hypervisor=registered, pool=pool, image=image, operation_id=uuid4(), now=timezone.now()
        )
        plan = DiskPlan(1, base, (1,), 16, b"config" * 100)
        disks = create_disks(registered, pool.name, server, plan)
        assert create_disks(registered, pool.name, server, plan) == disks
        links.ensure_nat_network(registered, net)
        links.ensure_dhcp_host(registered, net.name, mac=mac, ip="10.218.7.9", hostname="one")
        filter_name = links.ensure_port_filter(registered, FilterSpec(port, mac, ("10.218.7.9",)))
        spec = guest_spec(
            uuid=server, name=f"server-{server}", disks=disks, machine=platform.machine,
            domain_type=platform.domain_type, cpu_model=platform.cpu_model, arch=platform.arch,
            interfaces=(InterfaceSpec(port, mac, net.name, filter_name=filter_name),),
        )  # fmt: skip
        guests.define_guest(registered, spec)
        guests.start_guest(registered, server)

        info = guests.guest_info(registered, server)
        assert info is not None
        assert (info.power_state, info.is_ours) == ("running", True)
        ends_at = time.monotonic() + 60
        while not guests.read_console(registered, server).startswith("A"):
            assert time.monotonic() < ends_at, "nothing on the serial console"
        assert server in {guest.uuid for guest in look_at_host(registered, timezone.now()).guests}
        assert guests.screenshot(registered, server).startswith(b"\x89PNG")
        assert not guests.stop_guest(registered, server, 0)
    finally:
        guests.remove_guest(registered, server)
        delete_disks(registered, server)
        links.remove_dhcp_host(registered, net.name, mac=mac)
        links.remove_port_filter(registered, port)
        assert links.dhcp_hosts_on(registered, net.name) == []
        links.remove_nat_network(registered, net.name)
        with connected(registered) as host:
            host.delete_volume(pool.name, image.volume)
    assert_clean_slate(registered, [server])
    assert port not in " ".join(links.filters_on(registered))

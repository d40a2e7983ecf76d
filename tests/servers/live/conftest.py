"""People, a server on a fake host, and tokens for its consoles."""

import pytest
from django.utils import timezone

from hypervisors.pools import POOL
from identity.sessions import actor_for
from servers.remote_console import open_console
from tests.dashboard.world import make_world
from tests.hypervisors.factories import guest_spec
from tests.hypervisors.fake_host import installed, make_hypervisor


@pytest.fixture
def world(transactional_db):
    return make_world()


@pytest.fixture
def hosts(monkeypatch):
    return installed(monkeypatch)


@pytest.fixture
def server(world, hosts):
    """An active server whose guest runs on a host that is this machine."""
    made = world.server(hypervisor=make_hypervisor(hosts, uri="qemu:///system"))
    spec = guest_spec(uuid=made.pk)
    host = hosts["host1"]
    for disk in spec.disks:
        host.create_blank(POOL.name, disk.volume, 1024, "qcow2")
    host.define_guest(spec)
    host.prepare_console_log(POOL.name, made.pk)
    host.start_guest(made.pk)
    return made


@pytest.fixture
def token(world, server):
    """Make tokens: of a protocol and type, for a user."""

    def make(protocol="serial", kind="serial", user=None, now=None):
        user = user or world.member
        return open_console(
            server=server,
            protocol=protocol,
            kind=kind,
            actor=actor_for(user, world.demo.id),
            now=now or timezone.now(),
        )[1]

    return make


@pytest.fixture
def display_at(monkeypatch):
    """Have the display be somewhere else than where the host says."""

    def put(display):
        monkeypatch.setattr("servers.live.display.find_display", lambda *_: display)

    return put

"""Fixtures of the hypervisors' tests."""

import pytest

from hypervisors import guests
from hypervisors.pools import POOL
from tests.hypervisors.factories import guest_spec
from tests.hypervisors.fake_host import installed, make_hypervisor


@pytest.fixture
def hosts(monkeypatch):
    """Fake hosts in the place of libvirt."""
    return installed(monkeypatch)


@pytest.fixture
def hypervisor(db, hosts):
    """A registered hypervisor that is up."""
    return make_hypervisor(hosts)


@pytest.fixture
def host(hosts, hypervisor):
    """The fake host behind `hypervisor`."""
    return hosts[hypervisor.name]


@pytest.fixture
def ssh_dir(settings, tmp_path):
    """An SSH folder of the test's own."""
    settings.SSH_DIR = tmp_path / "ssh dir"
    return settings.SSH_DIR


@pytest.fixture
def spec(hypervisor, host):
    """A guest that is defined, with its disk."""
    made = guest_spec()
    host.create_blank(POOL.name, made.disks[0].volume, 1024, "qcow2")
    guests.define_guest(hypervisor, made)
    return made

"""Which pool a server's disks go to, and how pools are made known."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from hypervisors.errors import NotOnHost
from hypervisors.models import Hypervisor
from hypervisors.pools import pool_for, pool_like
from tests.hypervisors.fake_host import installed, make_hypervisor

pytestmark = pytest.mark.django_db


@pytest.fixture
def host(monkeypatch) -> Hypervisor:
    hosts = installed(monkeypatch)
    make_hypervisor(hosts, "host1")
    return Hypervisor.objects.get(name="host1")


def add_pool(*words: str) -> str:
    said = StringIO()
    call_command("hypervisor", "pool", "host1", *words, stdout=said)
    return said.getvalue()


def test_a_pool_is_made_and_known_by_its_name(host):
    assert "Servers may ask for the pool fast of host1" in add_pool("fast", "--path", "/fast")
    add_pool("fast")

    found = pool_for(host, "fast")

    assert (found.target_path, found.is_default) == ("/fast", False)
    assert pool_for(host).is_default
    assert pool_like(host, "fast") == found
    assert pool_like(host, "elsewhere").is_default


def test_a_pool_that_is_not_there_is_refused(host):
    with pytest.raises(CommandError):
        add_pool("absent")
    with pytest.raises(CommandError):
        add_pool("cloudportal", "--path", "/another/place")
    with pytest.raises(NotOnHost):
        pool_for(host, "absent")

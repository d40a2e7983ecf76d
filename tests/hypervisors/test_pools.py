"""Which pool a server's disks go to, and how pools are made known."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from hypervisors.add_pool import NewPool
from hypervisors.add_pool import add_pool as register_pool
from hypervisors.admin import StoragePoolForm
from hypervisors.errors import InvalidPool, NotOnHost
from hypervisors.models import Hypervisor, StoragePool
from hypervisors.pools import (
    Places,
    is_one_store,
    log_pool,
    places_of,
    pool_for,
    pool_like,
    shared_pools,
)
from tests.hypervisors.fake_host import FakeHosts, installed, make_hypervisor
from tests.hypervisors.fake_pools import FakePool

pytestmark = pytest.mark.django_db


@pytest.fixture
def hosts(monkeypatch) -> FakeHosts:
    return installed(monkeypatch)


@pytest.fixture
def host(hosts) -> Hypervisor:
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


def test_pools_of_other_types_are_made_and_told_of_by_their_source(host):
    add_pool("nas", "--type", "netfs", "--source", "nas.example:/export/fast/")
    add_pool("group", "--type", "logical", "--source", "vg0")
    add_pool("group", "--type", "logical", "--source", "vg0")

    nas, group = pool_for(host, "nas"), pool_for(host, "group")
    assert (nas.type, nas.source) == ("netfs", "nas.example:/export/fast")
    assert nas.target_path == "/var/lib/libvirt/cloudportal-pools/nas"
    assert (group.type, group.source, group.store) == ("logical", "vg0", "")
    assert places_of(group) == Places("group", "cloudportal", is_block=True)
    assert log_pool(nas) == log_pool(group) == "cloudportal"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-x", "--path", "/x"], "name"),
        (["a/b", "--path", "/x"], "name"),
        (["x", "--path", "x"], "absolute path"),
        (["x", "--path", "/x/../y"], "absolute path"),
        (["x", "--path", "/x/"], "absolute path"),
        (["x", "--type", "dir"], "has a path"),
        (["x", "--type", "netfs"], "SERVER:/EXPORT"),
        (["x", "--type", "netfs", "--source", "/export"], "SERVER:/EXPORT"),
        (["x", "--type", "netfs", "--source", "-o:/export"], "SERVER:/EXPORT"),
        (["x", "--type", "netfs", "--source", "nas:/a b"], "SERVER:/EXPORT"),
        (["x", "--type", "logical"], "volume group"),
        (["x", "--type", "logical", "--source", "../vg"], "volume group"),
        (["x", "--type", "logical", "--source", "vg", "--path", "/x"], "no path"),
        (["x", "--source", "vg"], "needs a type"),
        (["x", "--type", "rbd", "--source", "ceph"], "rbd are not made here"),
    ],
)
def test_what_is_malformed_is_refused(host, words, said):
    wanted = {"name": words[0]}
    wanted.update(zip((each[2:] for each in words[1::2]), words[2::2], strict=True))

    with pytest.raises(InvalidPool, match=said):
        register_pool(hypervisor=host, wanted=NewPool(**wanted))


def test_a_type_that_is_not_used_here_is_refused(host, hosts):
    hosts["host1"].pools["disks"] = FakePool("/dev", type="iscsi")

    with pytest.raises(CommandError, match="is of type iscsi"):
        add_pool("disks")
    assert not StoragePool.objects.filter(name="disks").exists()


def test_one_store_has_one_name_and_one_path(host, hosts):
    other = make_hypervisor(hosts, "host2")
    add_pool("fast", "--path", "/fast")
    files = hosts["host1"].pools["fast"].volumes

    for name, path in (("quick", "/fast"), ("fast", "/quick")):
        hosts["host2"].pools = {name: FakePool(path, volumes=files)}
        with pytest.raises(InvalidPool, match="same files"):
            register_pool(hypervisor=other, wanted=NewPool(name))
    hosts["host2"].pools = {"fast": FakePool("/fast", volumes=files)}
    register_pool(hypervisor=other, wanted=NewPool("fast"))

    assert {each.name for each in shared_pools(host)} == {"fast"}
    assert is_one_store(host, other, "fast")


def test_a_default_pool_is_one_hosts_own(host, hosts):
    other = make_hypervisor(hosts, "host2")
    register_pool(hypervisor=host, wanted=NewPool("cloudportal"))
    hosts["host2"].pools["cloudportal"] = hosts["host1"].pools["cloudportal"]

    with pytest.raises(InvalidPool, match="default pool"):
        register_pool(hypervisor=other, wanted=NewPool("cloudportal"))


def test_a_pool_that_is_not_there_is_refused(host):
    with pytest.raises(CommandError):
        add_pool("absent")
    with pytest.raises(CommandError):
        add_pool("cloudportal", "--path", "/another/place")
    with pytest.raises(NotOnHost):
        pool_for(host, "absent")


@pytest.mark.parametrize(("kind", "may"), [("dir", True), ("netfs", False), ("logical", False)])
def test_only_a_directory_of_its_own_becomes_the_default_pool(host, kind, may):
    pool = StoragePool.objects.create(hypervisor=host, name="other", type=kind)

    form = StoragePoolForm({"is_default": "on"}, instance=pool)

    assert form.is_valid() is may

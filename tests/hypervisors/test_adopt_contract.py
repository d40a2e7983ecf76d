"""What callers rely on of domains that somebody else made, on the fake host and a real one."""

from uuid import uuid4

import pytest

from hypervisors.host import libvirt_host
from hypervisors.libvirt.connection import open_connection
from hypervisors.libvirt.errors import NotThere
from tests.hypervisors.fake_host import FakeHost
from tests.hypervisors.libvirt import specs
from tests.hypervisors.libvirt.machine import URI

XML = (
    "<domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>{ram}</memory>"
    "<os><type arch='x86_64'>hvm</type></os></domain>"
)


@pytest.fixture(params=["fake", pytest.param("libvirt", marks=pytest.mark.lab)])
def host(request):
    if request.param == "fake":
        yield FakeHost()
        return
    connection = open_connection(URI)
    yield libvirt_host(connection)
    connection.close()


@pytest.fixture
def define(host):
    """Have somebody else's domain run on the host, under a name of its own."""
    made = []

    def make():
        name = f"legacy-{uuid4()}"
        if isinstance(host, FakeHost):
            return host.make_foreign(name, ram_mib=32)
        uuid = uuid4()
        xml = XML.format(name=name, uuid=uuid, ram=32)
        host.connection.call(lambda raw: raw.defineXML(xml))
        made.append(uuid)
        host.start_guest(uuid)
        return uuid

    yield make
    for uuid in made:
        host.remove_guest(uuid)


def mark(host, uuid):
    host.write_metadata(uuid, specs.metadata(uuid))


def foreign(host):
    return {each.uuid for each in host.foreign_domains()}


def test_a_domain_is_foreign_until_it_is_marked_and_again_when_it_is_let_go(host, define):
    uuid, other = define(), define()
    before = host.domain_facts(uuid)
    assert {uuid, other} <= foreign(host)

    mark(host, uuid)
    assert foreign(host) & {uuid, other} == {other}
    assert host.domain_facts(uuid).is_ours
    assert host.read_metadata(uuid).server_id == str(uuid)
    assert uuid in {each.uuid for each in host.list_guests(ours_only=True)}

    assert host.unmark(uuid, before.definition) == "as before"
    assert host.domain_facts(uuid) == before
    assert uuid in foreign(host)
    with pytest.raises(NotThere):
        host.read_metadata(uuid)


def test_marking_and_letting_go_leave_a_guest_as_it_runs(host, define):
    uuid = define()
    facts = host.domain_facts(uuid)
    assert (facts.power_state, facts.ram_mib, facts.is_persistent) == ("running", 32, True)

    mark(host, uuid)
    mark(host, uuid)
    assert host.domain_facts(uuid).power_state == "running"
    for _ in range(2):
        assert host.unmark(uuid, facts.definition) == "as before"
    assert host.guest_info(uuid).power_state == "running"


def test_what_is_kept_otherwise_is_told(host, define):
    uuid = define()
    mark(host, uuid)

    assert host.unmark(uuid, "<domain/>") == "changed"
    assert uuid in foreign(host)


def test_nothing_is_known_of_a_lost_definition(host, define):
    uuid = define()
    mark(host, uuid)

    assert host.unmark(uuid, "") == "as before"


def test_what_is_saved_stays_saved(host, define):
    uuid = define()
    definition = host.domain_facts(uuid).definition
    mark(host, uuid)
    host.suspend_guest(uuid)

    assert host.unmark(uuid, definition) == "as before"
    assert host.domain_facts(uuid).is_saved
    host.resume_guest(uuid, may_boot=False)
    assert host.domain_facts(uuid).power_state == "running"
    with pytest.raises(NotThere):
        host.read_metadata(uuid)


def test_a_domain_that_is_gone_is_told(host):
    assert host.unmark(uuid4(), "<domain/>") == "gone"
    with pytest.raises(NotThere):
        host.domain_facts(uuid4())

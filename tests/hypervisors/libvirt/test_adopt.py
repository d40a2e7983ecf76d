"""Domains that were there before, marked and let go: on libvirt's simulated host and a real one."""

from uuid import uuid4

import libvirt
import pytest

from hypervisors.libvirt import adopt, guest, pools, storage, suspend
from hypervisors.libvirt.connection import open_connection
from hypervisors.libvirt.errors import NotThere
from tests.hypervisors.libvirt import specs
from tests.hypervisors.libvirt.machine import MIB, URI

OTHERS = "<metadata><a:note xmlns:a='urn:someone:else'>keep</a:note></metadata>"
XML = (
    "<domain type='{type}'><name>legacy-{uuid}</name><uuid>{uuid}</uuid>{metadata}"
    "<memory unit='KiB'>65537</memory><vcpu>2</vcpu><os><type arch='x86_64'>hvm</type></os>"
    "<devices>"
    "<disk type='file' device='disk'><source file='/nowhere/legacy.raw'/>"
    "<target dev='vda' bus='virtio'/></disk>"
    "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>"
    "<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/>"
    "<model type='virtio'/></interface>"
    "<graphics type='vnc' port='-1' passwd='secret'/></devices></domain>"
)


@pytest.fixture(params=["test:///default", pytest.param(URI, marks=pytest.mark.lab)])
def connection(request):
    opened = open_connection(request.param)
    yield opened
    opened.close()


@pytest.fixture
def define(connection):
    """Define a domain as somebody else does."""
    made = []

    def make(metadata=""):
        uuid = uuid4()
        kind = connection.call(lambda raw: "test" if raw.getType() == "TEST" else "qemu")
        xml = XML.format(type=kind, uuid=uuid, metadata=metadata)
        connection.call(lambda raw: raw.defineXML(xml))
        made.append(uuid)
        return uuid

    yield make
    for uuid in made:
        guest.destroy_guest(connection, uuid)
        connection.call(lambda raw, uuid=uuid: raw.lookupByUUID(uuid.bytes).undefine())


def kept(connection, uuid):
    """The kept definition, with its secrets."""
    flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    return connection.call(lambda raw: raw.lookupByUUID(uuid.bytes).XMLDesc(flags))


def test_a_domain_is_told_with_its_size_disks_and_cards(connection, define):
    uuid = define()

    [found] = [each for each in adopt.foreign_domains(connection) if each.uuid == uuid]

    assert found == adopt.domain_facts(connection, uuid)
    assert (found.name, found.power_state) == (f"legacy-{uuid}", "shutdown")
    # Rounded up: what is claimed for it must be enough.
    assert (found.vcpus, found.ram_mib) == (2, 65)
    assert [(disk.target, disk.device, disk.source) for disk in found.disks] == [
        ("vda", "disk", "/nowhere/legacy.raw"),
        ("sda", "cdrom", ""),
    ]
    if connection.call(lambda raw: raw.getType()) != "TEST":
        # The simulated host thinks of a size.
        assert [disk.size_bytes for disk in found.disks] == [None, None]
    assert found.cards == (adopt.DomainCard("52:54:00:00:00:01", "bridge", "br0", "virtio"),)
    assert found.displays == ("vnc",)
    assert (found.is_persistent, found.is_saved, found.is_ours) == (True, False, False)
    assert "secret" not in found.definition


@pytest.mark.parametrize("is_known", [True, False], ids=["kept", "lost"])
@pytest.mark.parametrize("metadata", ["", OTHERS], ids=["none", "of others"])
def test_a_marked_domain_is_let_go_as_it_was_however_often(connection, define, metadata, is_known):
    uuid = define(metadata)
    before, whole = adopt.domain_facts(connection, uuid).definition, kept(connection, uuid)

    before = before if is_known else ""
    guest.write_metadata(connection, uuid, specs.metadata(uuid))
    assert adopt.domain_facts(connection, uuid).is_ours
    assert uuid not in {each.uuid for each in adopt.foreign_domains(connection)}

    assert adopt.unmark(connection, uuid, before) == "as before"
    assert adopt.unmark(connection, uuid, before) == "as before"
    # Its password too, though what was kept of it has none.
    assert kept(connection, uuid) == whole


def test_what_was_changed_by_hand_meanwhile_stays(connection, define):
    uuid = define()
    before = adopt.domain_facts(connection, uuid).definition
    guest.write_metadata(connection, uuid, specs.metadata(uuid))
    title = libvirt.VIR_DOMAIN_METADATA_TITLE
    flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG
    connection.call(
        lambda raw: raw.lookupByUUID(uuid.bytes).setMetadata(title, "mine", None, None, flags)
    )

    assert adopt.unmark(connection, uuid, before) == "changed"
    after = adopt.domain_facts(connection, uuid)
    assert (after.is_ours, "<title>mine</title>" in after.definition) == (False, True)


def test_one_that_is_gone_is_no_matter(connection):
    assert adopt.unmark(connection, uuid4(), "<domain/>") == "gone"
    with pytest.raises(NotThere):
        adopt.domain_facts(connection, uuid4())


def test_one_that_runs_keeps_running_and_loses_the_mark_live_too():
    connection = open_connection("test:///default")
    uuid = uuid4()
    xml = XML.format(type="test", uuid=uuid, metadata="")
    connection.call(lambda raw: raw.defineXML(xml))
    try:
        before = adopt.domain_facts(connection, uuid).definition
        guest.start_guest(connection, uuid)
        suspend.pause_guest(connection, uuid)
        guest.write_metadata(connection, uuid, specs.metadata(uuid))

        assert adopt.unmark(connection, uuid, before) == "as before"
        assert not guest.guest_info(connection, uuid).is_ours
        assert adopt.domain_facts(connection, uuid).power_state == "paused"
    finally:
        guest.destroy_guest(connection, uuid)
        connection.call(lambda raw: raw.lookupByUUID(uuid.bytes).undefine())
        connection.close()


def test_one_that_libvirt_would_not_take_again_is_let_go_with_an_empty_element(monkeypatch):
    connection = open_connection("test:///default")
    uuid = uuid4()
    connection.call(lambda raw: raw.defineXML(XML.format(type="test", uuid=uuid, metadata="")))
    try:
        before = adopt.domain_facts(connection, uuid).definition
        guest.write_metadata(connection, uuid, specs.metadata(uuid))
        with monkeypatch.context() as patch:
            patch.setattr(libvirt.virConnect, "defineXML", refuse)

            assert adopt.unmark(connection, uuid, before) == "changed"

        assert not adopt.domain_facts(connection, uuid).is_ours
    finally:
        connection.call(lambda raw: raw.lookupByUUID(uuid.bytes).undefine())
        connection.close()


def refuse(*_):
    raise libvirt.libvirtError("unsupported machine type")


@pytest.mark.lab
def test_what_is_saved_of_one_is_let_go_with_it(real_domain):
    connection, uuid = real_domain(OTHERS)
    before, whole = adopt.domain_facts(connection, uuid).definition, kept(connection, uuid)
    guest.start_guest(connection, uuid)
    lively = live(connection, uuid)
    guest.write_metadata(connection, uuid, specs.metadata(uuid))
    suspend.suspend_guest(connection, uuid)

    for _ in range(2):
        assert adopt.unmark(connection, uuid, before) == "as before"

    facts = adopt.domain_facts(connection, uuid)
    assert (facts.is_saved, facts.is_ours, kept(connection, uuid)) == (True, False, whole)
    suspend.resume_guest(connection, uuid, may_boot=False)
    assert metadata_of(live(connection, uuid)) == metadata_of(lively)
    assert "passwd='secret'" in live(connection, uuid)


@pytest.mark.lab
def test_one_that_runs_is_neither_started_anew_nor_changed(real_domain):
    connection, uuid = real_domain("")
    before, whole = adopt.domain_facts(connection, uuid).definition, kept(connection, uuid)
    guest.start_guest(connection, uuid)
    lively = live(connection, uuid)

    guest.write_metadata(connection, uuid, specs.metadata(uuid))
    assert "cloudportal:server" in live(connection, uuid)
    assert adopt.unmark(connection, uuid, before) == "as before"

    assert kept(connection, uuid) == whole
    # libvirt keeps an empty element there until the guest next starts.
    assert live(connection, uuid).replace("  <metadata/>\n", "") == lively


@pytest.mark.lab
def test_a_disk_that_is_named_by_its_pool_has_a_size_when_its_guest_is_off(real_domain):
    pool = f"cp-test-{uuid4().hex[:8]}"
    connection, uuid = real_domain("", POOL_DISK.format(pool=pool))
    pools.ensure_pool(connection, pools.DirPoolSpec(pool, f"/var/lib/libvirt/{pool}"))
    try:
        storage.create_blank(connection, pool, "legacy", 20 * MIB)

        [disk] = adopt.domain_facts(connection, uuid).disks

        assert (disk.source, disk.size_bytes) == (f"{pool}/legacy", 20 * MIB)
    finally:
        storage.delete_volume(connection, pool, "legacy")
        storage.remove_pool(connection, pool, delete_directory=True)
    assert adopt.domain_facts(connection, uuid).disks[0].size_bytes is None


POOL_DISK = (
    "<disk type='volume' device='disk'><source pool='{pool}' volume='legacy'/>"
    "<target dev='vda' bus='virtio'/></disk>"
)
REAL = (
    "<domain type='qemu'><name>legacy-{uuid}</name><uuid>{uuid}</uuid>{metadata}"
    "<memory unit='MiB'>32</memory><os><type arch='x86_64'>hvm</type></os><devices>{disk}"
    "<graphics type='vnc' port='-1' passwd='secret'/></devices></domain>"
)


@pytest.fixture
def real_domain():
    """Define a domain that a real host can run."""
    connection = open_connection(URI)
    made = []

    def make(metadata, disk=""):
        uuid = uuid4()
        xml = REAL.format(uuid=uuid, metadata=metadata, disk=disk)
        connection.call(lambda raw: raw.defineXML(xml))
        made.append(uuid)
        return connection, uuid

    yield make
    for uuid in made:
        guest.remove_guest(connection, uuid)
    connection.close()


def live(connection, uuid):
    """The running guest's definition, with its secrets."""
    secure = libvirt.VIR_DOMAIN_XML_SECURE
    return connection.call(lambda raw: raw.lookupByUUID(uuid.bytes).XMLDesc(secure))


def metadata_of(xml):
    return xml[xml.index("<metadata") : xml.index("</metadata>")]

"""Each kind of damage on a host is found, told in words, and mended; then nothing is left."""

from __future__ import annotations

import dataclasses
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from hypervisors.libvirt.domain_xml import domain_xml
from hypervisors.libvirt.network import DhcpHost
from hypervisors.models import CachedImage, Hypervisor, PhysicalNetwork
from hypervisors.pools import POOL
from identity.models import Domain, Project
from images.models import Image, ImageStatus
from integrity.models import Finding
from integrity.request_repairs import request_repairs
from integrity.states import FindingKind, Policy
from networks.models import FixedIP, Network, Port, Subnet
from networks.segments import ensure_network
from operations.models import Operation
from quotas.models import Reservation
from servers.models import Server
from servers.record_sync import sync_records
from servers.states import VmState
from tests.hypervisors.fake_host import FakeGuest, make_hypervisor
from tests.hypervisors.fake_pools import FakeVolume
from tests.integrity.conftest import run_everything

pytestmark = pytest.mark.django_db(transaction=True)


def volumes(world):
    return world.host.pools[POOL.name].volumes


def add_volume(world, name, **fields):
    volumes(world)[name] = FakeVolume(name, "qcow2", 1, **fields)


def guest(world):
    return world.host.guests[world.server.pk]


def test_a_domain_undefined_by_hand_is_defined_and_started_again(world):
    spec = guest(world).spec
    del world.host.guests[world.server.pk]

    kinds, left = world.kinds(), world.repair()

    assert kinds == [FindingKind.DOMAIN_MISSING]
    assert left == []
    assert guest(world).power_state == "running"
    assert dataclasses.replace(guest(world).spec, metadata=spec.metadata) == spec


def test_a_running_domain_without_a_kept_definition_gets_one(world):
    guest(world).is_persistent = False

    kinds = world.kinds()
    world.host.calls.clear()
    world.repair()

    assert kinds == [FindingKind.DOMAIN_MISSING]
    assert "define_guest" in world.host.calls
    assert "start_guest" not in world.host.calls


def test_a_server_that_lost_domain_and_root_disk_goes_to_error_with_the_reason(world):
    del world.host.guests[world.server.pk]
    del volumes(world)[f"{world.server.pk}-root"]

    kinds, left = world.kinds(), world.repair()

    world.server.refresh_from_db()
    assert kinds == [FindingKind.VOLUME_MISSING]
    assert left == []
    assert world.server.vm_state == VmState.ERROR
    assert "root disk is gone" in world.server.faults.get().message


def test_a_definition_changed_by_hand_is_shown_and_put_right(world):
    changed = dataclasses.replace(guest(world).spec, vcpus=7, ram_mib=999)
    guest(world).xml = domain_xml(changed)

    finding = world.found()
    left = world.repair()

    assert finding.kind == FindingKind.DOMAIN_CHANGED
    assert '+  <vcpu placement="static">7</vcpu>' in finding.difference
    assert '+  <memory unit="KiB">1022976</memory>' in finding.difference
    assert left == []
    assert guest(world).xml is None
    assert guest(world).spec.vcpus == 1


@pytest.mark.parametrize("is_gone", [True, False])
def test_metadata_changed_by_hand_is_shown_and_written_again(world, is_gone):
    sync_records(timezone.now())
    spec = guest(world).spec
    stale = dataclasses.replace(spec.metadata, name="stale", tags=("odd",))
    xml = domain_xml(dataclasses.replace(spec, metadata=stale))
    if is_gone:
        xml = xml.replace("urn:cloudportal:server:1", "urn:somebody:else")
    guest(world).xml = xml

    finding = world.found()
    left = world.repair()

    assert finding.kind == FindingKind.METADATA_CHANGED
    assert ('name="stale"' in finding.difference) is not is_gone
    assert left == []
    assert guest(world).spec.metadata.name == "web"


def test_what_a_deleted_server_left_is_removed(world):
    Server.objects.update(deleted_at=timezone.now(), vm_state=VmState.DELETED)
    Port.objects.all().delete()

    kinds = set(world.kinds())
    left = world.repair()

    assert {
        FindingKind.DOMAIN_STRAY,
        FindingKind.VOLUME_STRAY,
        FindingKind.ALLOCATION_LEAKED,
        FindingKind.QUOTA_LEAKED,
    } <= kinds
    # What the domain used comes to light without it.
    assert left == [FindingKind.DHCP_STALE, FindingKind.FILTER_STALE]
    assert world.repair() == []
    assert not world.host.guests
    assert not world.host.filters
    assert all(name.startswith("base-") for name in volumes(world))


def test_a_server_that_the_books_lost_is_taken_in_again(world):
    domain, _ = Domain.objects.get_or_create(pk="default", defaults={"name": "Default"})
    Project.objects.get_or_create(
        pk=world.server.project_id, defaults={"name": "own", "domain": domain}
    )
    sync_records(timezone.now())
    Server.objects.all().delete()

    finding = next(iter_kind(world, FindingKind.DOMAIN_UNKNOWN))
    world.repair()

    assert finding.policy == Policy.AUTOMATIC
    assert Server.objects.get().name == "web"
    assert guest(world).power_state == "running"


def iter_kind(world, kind):
    world.look()
    return Finding.objects.filter(kind=kind, repaired_at=None).iterator()


def test_a_server_of_a_project_that_nobody_knows_waits_for_an_administrator(world):
    Server.objects.all().delete()
    Project.objects.all().delete()

    finding = next(iter_kind(world, FindingKind.DOMAIN_UNKNOWN))

    assert finding.policy == Policy.ON_REQUEST


def test_foreign_things_are_noted_and_never_touched(world):
    foreign = uuid.uuid4()
    spec = dataclasses.replace(guest(world).spec, uuid=foreign, name="theirs", interfaces=())
    xml = domain_xml(spec).replace("urn:cloudportal:server:1", "urn:somebody:else")
    world.host.guests[foreign] = FakeGuest(spec, xml=xml)
    add_volume(world, "their-disk.qcow2")

    kinds, left = world.kinds(), world.repair()

    notes = Finding.objects.notes().values_list("kind", flat=True)
    assert kinds == left == []
    assert sorted(notes) == [FindingKind.DOMAIN_FOREIGN, FindingKind.VOLUME_FOREIGN]
    assert foreign in world.host.guests
    assert "their-disk.qcow2" in volumes(world)


def test_a_volume_of_an_unknown_server_waits_for_an_administrator(world):
    add_volume(world, f"{uuid.uuid4()}-root")

    finding = world.found()

    assert finding.kind == FindingKind.VOLUME_STRAY
    assert finding.policy == Policy.ON_REQUEST
    assert world.repair() == []


def test_half_of_an_upload_is_deleted(world):
    name = f"base-{uuid.uuid4()}-{'0' * 16}"
    add_volume(world, name)

    finding = world.found()

    assert finding.kind == FindingKind.IMAGE_STRAY
    assert world.repair() == []
    assert name not in volumes(world)
    assert not CachedImage.objects.filter(volume=name).exists()


def test_a_base_image_of_a_deleted_image_goes_when_no_disk_lies_over_it(world):
    Image.objects.update(status=ImageStatus.DELETED)
    Reservation.objects.filter(resource__in=["images", "image_size_total"]).delete()
    while_used = world.kinds()
    Server.objects.update(deleted_at=timezone.now(), vm_state=VmState.DELETED)
    world.host.filters.clear()
    [network] = world.host.networks.values()
    network.entries = []
    world.look()
    world.repair()

    kinds, left = world.kinds(), world.repair()

    assert while_used == []
    assert kinds == [FindingKind.IMAGE_STRAY]
    assert left == []
    assert not volumes(world)
    assert not CachedImage.objects.exists()


def test_a_base_image_without_a_record_is_recorded(world):
    CachedImage.objects.all().delete()

    kinds, left = world.kinds(), world.repair()

    assert kinds == [FindingKind.IMAGE_UNRECORDED]
    assert left == []
    assert CachedImage.objects.get().is_ready


def test_a_base_image_in_use_that_lost_its_mark_is_marked_again(world):
    [mark] = [name for name in volumes(world) if name.endswith(".verified")]
    del volumes(world)[mark]

    kinds, left = world.kinds(), world.repair()

    assert kinds == [FindingKind.IMAGE_UNRECORDED]
    assert left == []
    assert mark in volumes(world)


def test_the_record_of_a_base_image_that_is_gone_is_struck_out(world):
    for name in [name for name in volumes(world) if name.startswith("base-")]:
        del volumes(world)[name]

    kinds, left = world.kinds(), world.repair()

    assert kinds == [FindingKind.IMAGE_RECORD_STALE]
    assert left == []
    assert not CachedImage.objects.exists()


def test_a_config_drive_that_is_gone_is_made_again(world):
    name = f"{world.server.pk}-config"
    del volumes(world)[name]

    kinds, left = world.kinds(), world.repair()

    assert kinds == [FindingKind.VOLUME_MISSING]
    assert left == []
    assert volumes(world)[name].content


@pytest.mark.parametrize("kind", [FindingKind.DHCP_MISSING, FindingKind.DHCP_STALE])
def test_dhcp_entries_are_put_right(world, kind):
    [network] = world.host.networks.values()
    if kind == FindingKind.DHCP_MISSING:
        network.entries = [dataclasses.replace(each, ip="10.20.3.3") for each in network.entries]
    else:
        network.entries.append(DhcpHost("fa:16:3e:99:99:99", "10.20.3.9", None))

    finding = world.found()

    assert finding.kind == kind
    assert world.repair() == []
    assert [each.mac for each in network.entries] == [Port.objects.get().mac_address]


def test_an_address_of_the_other_family_is_given_besides(world):
    port, [network] = Port.objects.get(), world.host.networks.values()
    before = list(network.entries)
    subnet = Subnet.objects.create(
        network=port.network,
        project_id=port.project_id,
        ip_version=6,
        cidr="fd00:20::/64",
        gateway_ip="fd00:20::1",
        ipv6_mode="dhcpv6-stateful",
    )
    FixedIP.objects.create(port=port, subnet=subnet, address="fd00:20::9")

    kinds, left = world.kinds(), world.repair()

    assert FindingKind.DHCP_MISSING in kinds
    assert FindingKind.DHCP_MISSING not in left
    assert {each.ip for each in network.entries} == {each.ip for each in before} | {"fd00:20::9"}


def test_an_altered_filter_gets_its_rules_again(world):
    [(port_id, spec)] = world.host.filters.items()
    world.host.filters[port_id] = dataclasses.replace(spec, addresses=("10.9.9.9",))

    finding = world.found()

    assert finding.kind == FindingKind.FILTER_CHANGED
    assert "10.9.9.9" in finding.difference
    assert world.repair() == []
    assert world.host.filters[port_id] == spec


def test_a_missing_filter_is_defined_again(world):
    world.host.filters.clear()

    assert world.kinds() == [FindingKind.FILTER_MISSING]
    assert world.repair() == []


def test_a_stale_filter_is_removed(world):
    [spec] = world.host.filters.values()
    stray = str(uuid.uuid4())
    world.host.filters[stray] = dataclasses.replace(spec, port_id=stray)

    assert world.kinds() == [FindingKind.FILTER_STALE]
    assert world.repair() == []
    assert stray not in world.host.filters


@pytest.mark.parametrize("is_there", [True, False])
def test_a_network_that_does_not_run_is_made_again_with_its_addresses(world, is_there):
    [name] = world.host.networks
    entries = world.host.networks[name].entries
    if is_there:
        world.host.networks[name].is_active = False
    else:
        del world.host.networks[name]

    assert world.kinds() == [FindingKind.NETWORK_MISSING]
    assert world.repair() == []
    assert world.host.networks[name].entries == entries
    assert "replug" in world.host.calls


def test_a_server_whose_guest_stopped_follows_it(world):
    guest(world).power_state = "shutdown"
    guest(world).off_reason = "destroyed"

    assert world.kinds() == [FindingKind.POWER_STATE]
    assert world.repair() == []
    world.server.refresh_from_db()
    assert world.server.vm_state == VmState.STOPPED


def test_disks_that_are_gone_all_at_once_are_not_taken_for_lost(world, create, work):
    other = create(name="other")
    work(other.pk)
    past = timezone.now() - timedelta(minutes=5)
    Operation.objects.update(finished_at=past)
    Server.objects.update(updated_at=past)
    for name in [name for name in volumes(world) if name.endswith("-root")]:
        del volumes(world)[name]

    world.look()

    found = Finding.objects.filter(kind=FindingKind.VOLUME_MISSING)
    assert set(found.values_list("policy", flat=True)) == {Policy.ON_REQUEST}
    assert "see whether the pool cloudportal of host1 is mounted" in found[0].summary


def test_a_copy_of_a_server_that_runs_elsewhere_is_removed(world):
    copy = make_hypervisor(world.hosts, "host2")
    world.hosts["host2"].guests[world.server.pk] = FakeGuest(guest(world).spec)

    finding = world.found()

    assert (finding.kind, finding.hypervisor) == (FindingKind.DOMAIN_STRAY, copy)
    assert finding.policy == Policy.AUTOMATIC
    assert world.repair() == []
    assert not world.hosts["host2"].guests
    assert guest(world).power_state == "running"


def test_a_copy_that_runs_waits_for_an_administrator_and_is_kept_when_it_is_the_only_one(world):
    make_hypervisor(world.hosts, "host2")
    world.hosts["host2"].guests[world.server.pk] = FakeGuest(guest(world).spec, "running")
    guest(world).power_state = "shutdown"

    world.look()
    finding = Finding.objects.get(kind=FindingKind.DOMAIN_STRAY)
    request_repairs([finding], now=timezone.now(), at_once=True)
    run_everything()

    finding.refresh_from_db()
    assert finding.policy == Policy.ON_REQUEST
    assert "does not run it" in finding.error
    assert world.hosts["host2"].guests


def test_a_filter_on_its_way_to_the_host_is_left_alone(world):
    [(port_id, spec)] = world.host.filters.items()
    world.host.filters[port_id] = dataclasses.replace(spec, addresses=("10.9.9.9",))
    Port.objects.update(filter_wanted=1)

    assert world.kinds() == []


def test_a_flat_network_is_where_the_host_has_its_bridge(world):
    Network.objects.update(type="flat", physical_network="office")
    Subnet.objects.update(has_dhcp=False)
    hypervisor = world.server.hypervisor
    PhysicalNetwork.objects.create(hypervisor=hypervisor, name="office", interface="br0")
    [name] = world.host.networks
    network = world.host.networks[name]
    network.entries = []
    network.spec = dataclasses.replace(network.spec, bridge="br0")

    assert world.kinds() == []
    del world.host.networks[name]
    assert world.kinds() == [FindingKind.NETWORK_MISSING]
    assert world.repair() == []
    assert world.host.networks[name].spec.bridge == "br0"


def test_a_tunnel_is_joined_again_with_its_network(world):
    Network.objects.update(type="vxlan", segment=42)
    Hypervisor.objects.update(host_ip="10.0.0.1")
    world.host.networks.clear()

    assert world.kinds() == [FindingKind.NETWORK_MISSING]
    assert world.repair() == []
    assert [spec.number for spec in world.host.segments.values()] == [42]


def test_a_network_that_nobody_knows_goes_with_what_joins_it(world):
    Hypervisor.objects.update(host_ip="10.0.0.1")
    host = world.server.hypervisor
    host.refresh_from_db()
    lost = Network.objects.create(project_id="p", type="vxlan", segment=43)
    subnet = Subnet.objects.create(
        network=lost, project_id="p", cidr="10.40.0.0/24", gateway_ip="10.40.0.1"
    )
    ensure_network(host, lost)
    subnet.delete()
    lost.delete()

    assert world.kinds() == [FindingKind.NETWORK_STRAY]
    assert world.repair() == []
    assert world.host.segments == {}
    assert len(world.host.networks) == 1

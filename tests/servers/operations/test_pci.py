"""Servers with devices of their host: what their guests get, and what becomes of it later."""

from __future__ import annotations

import dataclasses

import pytest
from django.utils import timezone

from cloudportal.errors import Conflict, Invalid
from flavors.models import Flavor
from hypervisors.connections import connected
from hypervisors.errors import HostCannot
from hypervisors.models import HostState, Hypervisor
from operations.models import UNFINISHED, Operation, OperationState
from scheduling.models import Allocation, PciAlias, PciClaim
from servers.delete import delete_server
from servers.evacuation import Evacuation, evacuate_server
from servers.guest_spec import guest_spec
from servers.live_migration import LiveMove, live_migrate_server
from servers.models import Server
from servers.power import suspend_server
from servers.record_sync import Round, sync_records
from servers.resize import confirm_resize, migrate_server, resize_server, revert_resize
from servers.restore import Found, restore
from servers.shelve import shelve_server, unshelve_server
from servers.states import VmState
from tests.authorisation import actor_named
from tests.hypervisors.fake_host import make_hypervisor
from tests.scheduling.devices import give_devices, name_devices
from tests.servers.operations.conftest import assert_nothing_left
from tests.servers.operations.lost import lose_everything

pytestmark = pytest.mark.django_db(transaction=True)

ADMIN = dataclasses.replace(actor_named("admin"), request_id="req-pci")
ONE, TWO = "0000:81:00.0", "0000:82:00.0"


@pytest.fixture
def flavor(db) -> Flavor:
    name_devices()
    return Flavor.objects.create(
        flavorid="1", name="m1.gpu", vcpus=1, ram_mib=256, disk_gib=1,
        extra_specs={"pci_passthrough:alias": "gpu:1"},
    )  # fmt: skip


def host_with_devices(hosts, name: str) -> Hypervisor:
    return give_devices(make_hypervisor(hosts, name))


@pytest.fixture
def server(hosts, create, work) -> Server:
    """A server on the only host there is."""
    host_with_devices(hosts, "host1")
    made = create()
    work(made.pk)
    return Server.objects.select_related("hypervisor").get(pk=made.pk)


def other_flavor(wish: str) -> None:
    specs = {"pci_passthrough:alias": wish} if wish else {}
    Flavor.objects.create(
        flavorid="9", name="m1.other", vcpus=1, ram_mib=512, disk_gib=1, extra_specs=specs
    )


def held(server: Server) -> tuple[str, ...]:
    """What it holds of its host, which is what its guest has and says it has."""
    [row] = Allocation.objects.filter(server_id=server.pk, hypervisor=server.hypervisor)
    return tuple(row.pci_claims.order_by("pk").values_list("address", flat=True))


def given(hosts, server: Server) -> tuple[str, ...]:
    assert server.hypervisor is not None
    spec = hosts[server.hypervisor.name].guests[server.pk].spec
    assert spec.pci == spec.metadata.pci
    return spec.pci


def test_each_guest_has_a_device_of_its_own(hosts, server, create, work):
    other = create()
    work(other.pk)
    other.refresh_from_db()

    assert (server.vm_state, other.vm_state) == (VmState.ACTIVE, VmState.ACTIVE)
    assert (held(server), held(other)) == ((ONE,), (TWO,))
    assert (given(hosts, server), given(hosts, other)) == ((ONE,), (TWO,))


def test_a_deleted_server_gives_its_device_back(hosts, server, ask):
    ask(delete_server)

    assert not PciClaim.objects.exists()
    assert_nothing_left(hosts)


def test_without_a_host_of_such_devices_it_fails_and_says_so(hosts, flavor, create, work):
    make_hypervisor(hosts, "plain")
    server = create()

    work(server.pk)

    server.refresh_from_db()
    assert server.vm_state == VmState.ERROR
    assert "pci_passthrough removed 1" in server.faults.get().message


def test_devices_that_nobody_has_named_are_refused_at_once(hosts, flavor, create):
    PciAlias.objects.filter(name="gpu").delete()

    with pytest.raises(Invalid, match="PCI alias gpu is not defined"):
        create()


def test_another_host_gives_it_a_device_that_is_free_there(hosts, server, create, work, ask):
    host_with_devices(hosts, "host2")
    here = create()
    Server.objects.filter(pk=here.pk).update(request_spec={**server.request_spec, "host": "host2"})
    work(here.pk)

    ended = ask(migrate_server, host="host2")

    assert ended.state == OperationState.DONE, ended.error
    assert (server.vm_state, server.hypervisor.name) == (VmState.RESIZED, "host2")
    assert held(server) == given(hosts, server) == (TWO,)
    # The way back is kept free until it is confirmed.
    assert PciClaim.objects.filter(hypervisor__name="host1").count() == 1
    ask(confirm_resize)
    assert not PciClaim.objects.filter(hypervisor__name="host1").exists()
    sync_records(timezone.now(), Round())
    assert given(hosts, server) == (TWO,)


def test_back_from_another_size_on_its_own_host_it_has_its_device_again(hosts, server, ask):
    other_flavor("gpu:1,nic:1")

    ended = ask(resize_server, flavor_id="9", disk_config="")

    assert ended.state == OperationState.DONE, ended.error
    assert given(hosts, server) == (TWO, "0000:3b:02.0")
    ask(revert_resize)
    assert server.vm_state == VmState.ACTIVE
    assert held(server) == given(hosts, server) == (ONE,)


def test_a_size_without_devices_leaves_no_claim(hosts, server, ask):
    other_flavor("")
    ask(resize_server, flavor_id="9", disk_config="")

    ask(confirm_resize)

    assert not PciClaim.objects.exists()
    assert given(hosts, server) == ()


def test_an_evacuated_server_has_a_device_of_its_new_host(hosts, server, work):
    host_with_devices(hosts, "host2")
    hosts["host1"].be_down()
    Hypervisor.objects.filter(name="host1").update(state=HostState.DOWN)
    server.refresh_from_db()

    evacuate_server(server=server, wanted=Evacuation(), actor=ADMIN, now=timezone.now())
    work(server.pk)

    server.refresh_from_db()
    assert server.hypervisor.name == "host2"
    assert held(server) == given(hosts, server) == (ONE,)


def test_a_server_that_is_shelved_holds_none_until_it_is_back(hosts, server, ask, settings):
    settings.SHELVED_OFFLOAD_S = 0
    ask(shelve_server)

    assert not PciClaim.objects.exists()
    ask(unshelve_server)
    assert server.vm_state == VmState.ACTIVE
    assert held(server) == given(hosts, server) == (ONE,)


@pytest.mark.parametrize(
    ("use_case", "options", "error", "words"),
    [
        (live_migrate_server, {"move": LiveMove()}, Invalid, "Instance has PCI devices"),
        (suspend_server, {}, Conflict, "cannot be kept on a disk"),
    ],
)
def test_what_its_device_does_not_go_along_with_is_refused(
    hosts, server, use_case, options, error, words
):
    host_with_devices(hosts, "host2")

    with pytest.raises(error, match=words):
        use_case(server=server, actor=ADMIN, now=timezone.now(), **options)

    server.refresh_from_db()
    assert server.task_state is None
    assert not Operation.objects.filter(state__in=UNFINISHED).exists()


def test_a_database_that_was_lost_gets_the_claim_back_from_the_guest(
    owners, hosts, server, create, work
):
    create_other = create()
    work(create_other.pk)
    other = Server.objects.select_related("hypervisor").get(pk=create_other.pk)
    before = held(other)
    host = server.hypervisor
    with connected(host) as opened:
        found = Found(host, opened.read_metadata(other.pk), opened.guest_info(other.pk))
    lose_everything()

    restore(found, now=timezone.now())

    assert held(Server.objects.select_related("hypervisor").get()) == before == (TWO,)


def test_a_server_that_holds_too_few_devices_is_not_started_with_them(server):
    PciClaim.objects.all().delete()

    with pytest.raises(HostCannot, match="holds too few PCI devices"):
        guest_spec(server, server.hypervisor, disks=(), wired=())


def test_what_a_guest_was_given_stays_in_its_record(hosts, server):
    """The portal may lose the claim; the guest's own word is what it is mended by."""
    PciClaim.objects.all().delete()
    Server.objects.filter(pk=server.pk).update(description="new")

    sync_records(timezone.now(), Round())

    kept = hosts["host1"].guests[server.pk].spec.metadata
    assert (kept.description, kept.pci) == ("new", (ONE,))

"""Servers in a store that two hosts have: nothing is copied, and nobody deletes what is in use."""

from __future__ import annotations

import dataclasses

import pytest
from django.utils import timezone

from flavors.models import Flavor
from hypervisors.add_pool import NewPool, add_pool
from hypervisors.libvirt.errors import DriverError
from hypervisors.libvirt.errors import PoolFull as DriverPoolFull
from hypervisors.models import CachedImage, HostState, Hypervisor, StoragePool
from hypervisors.register import remove_hypervisor
from hypervisors.survey import survey
from integrity.checks import volumes as volume_checks
from integrity.facts import host_facts
from integrity.view import HostView
from operations.models import UNFINISHED, Operation, OperationState
from scheduling.models import Allocation
from servers.delete import delete_server
from servers.evacuation import Evacuation, evacuate_server
from servers.live_migration import LiveMove, live_migrate_server
from servers.models import Server
from servers.resize import confirm_resize, migrate_server, resize_server, revert_resize
from servers.states import VmState
from tests.authorisation import actor_named
from tests.hypervisors.clean_slate import leftovers
from tests.hypervisors.fake_host import make_hypervisor
from tests.hypervisors.fake_pools import FakePool
from tests.servers.operations.shared_store import shared_store

pytestmark = pytest.mark.django_db(transaction=True)

GIB = 1024**3
ADMIN = dataclasses.replace(actor_named("admin"), request_id="req-shared")
FAST = {"store_id": "fast"}


@pytest.fixture
def store(hosts) -> FakePool:
    return shared_store(hosts)


@pytest.fixture
def server(store, create, work) -> Server:
    made = create(options=FAST, config_drive=True)
    ended = work(made.pk)
    assert ended.state == OperationState.DONE, ended.error
    store.volumes[f"{made.pk}-root"].content = b"written"
    return Server.objects.select_related("hypervisor").get(pk=made.pk)


def other_than(name: str) -> str:
    return "host2" if name == "host1" else "host1"


def of(server, store) -> set[str]:
    return {name.removeprefix(str(server.pk)) for name in store.volumes if str(server.pk) in name}


def assert_is_whole_at(hosts, store, server, name: str) -> None:
    """The guest is on that host alone, its disks are as they were, and the other has nothing."""
    server.refresh_from_db()
    assert (server.hypervisor.name, server.task_state) == (name, None)
    assert store.volumes[f"{server.pk}-root"].content == b"written"
    assert of(server, store) == {"-root", "-config"}
    assert hosts[name].guests[server.pk].power_state == "running"
    assert not leftovers(hosts[other_than(name)])
    assert [each.hypervisor.name for each in Allocation.objects.all()] == [name]


def test_both_hosts_know_the_store_by_the_same_mark(store):
    rows = StoragePool.objects.filter(name="fast")

    assert len({row.store for row in rows}) == 1
    assert {(row.type, row.source) for row in rows} == {("netfs", "nas:/export")}


def test_disks_are_in_the_store_and_the_log_on_the_host(hosts, store, server):
    name = server.hypervisor.name

    assert of(server, store) == {"-root", "-config"}
    log = f"{server.pk}_console.log"
    assert log in hosts[name].pools["cloudportal"].volumes


def test_the_image_is_put_there_once(hosts, store, server, create, work):
    Hypervisor.objects.filter(name=server.hypervisor.name).update(is_enabled=False)

    other = create(options=FAST)
    ended = work(other.pk)

    assert ended.state == OperationState.DONE, ended.error
    calls = [call for host in hosts.values() for call in host.calls]
    assert calls.count("upload_image") == 1
    assert CachedImage.objects.filter(pool__name="fast").count() == 1


def test_a_live_migration_copies_nothing_and_leaves_the_disks(hosts, store, server, work_off):
    there = other_than(server.hypervisor.name)
    requests = []
    original = type(hosts[there]).take_over

    def take_over(uuid, source, request, power_state):
        requests.append(request)
        original(hosts[there], uuid, source, request, power_state)

    hosts[there].take_over = take_over

    live_migrate_server(server=server, move=LiveMove(), actor=ADMIN, now=timezone.now())
    ended = work_off(server)

    assert ended.state == OperationState.DONE, ended.error
    assert [(each.copied, dict(each.paths), each.is_shared) for each in requests] == [
        ((), {}, True)
    ]
    assert_is_whole_at(hosts, store, server, there)


@pytest.mark.parametrize(("copies", "refusal"), [(False, ""), (True, "on shared storage")])
def test_a_copy_of_the_disks_is_neither_needed_nor_made(
    hosts, store, server, work_off, copies, refusal
):
    here = server.hypervisor.name
    wanted = LiveMove(host=other_than(here), copies_disks=copies)

    live_migrate_server(server=server, move=wanted, actor=ADMIN, now=timezone.now())
    work_off(server)

    assert refusal in (server.faults.first().message if refusal else "")
    assert_is_whole_at(hosts, store, server, here if refusal else other_than(here))


def test_a_full_store_takes_what_is_in_it_already(hosts, store, server, work_off):
    there = other_than(server.hypervisor.name)
    StoragePool.objects.filter(name="fast").update(available=0)

    live_migrate_server(server=server, move=LiveMove(), actor=ADMIN, now=timezone.now())
    ended = work_off(server)

    assert ended.state == OperationState.DONE, ended.error
    assert_is_whole_at(hosts, store, server, there)


def test_what_moves_to_a_host_with_another_store_leaves_nothing_in_this_one(
    hosts, store, server, work_off
):
    third = make_hypervisor(hosts, "host3")
    add_pool(hypervisor=third, wanted=NewPool("fast", path="/fast"))
    wanted = LiveMove(host="host3")

    live_migrate_server(server=server, move=wanted, actor=ADMIN, now=timezone.now())
    ended = work_off(server)

    assert ended.state == OperationState.DONE, ended.error
    assert of(server, store) == set()
    assert of(server, hosts["host3"].pools["fast"]) == {"-root", "-config"}


def test_a_live_migration_that_fails_leaves_the_disks(hosts, store, server, work_off):
    here = server.hypervisor.name
    hosts[here].fail_on("migrate_guest", DriverError("no"), times=9)

    live_migrate_server(server=server, move=LiveMove(), actor=ADMIN, now=timezone.now())
    ended = work_off(server)

    assert ended.state == OperationState.FAILED
    assert_is_whole_at(hosts, store, server, here)


def test_a_destination_that_does_not_see_the_disks_is_refused(hosts, store, server, work_off):
    here = server.hypervisor.name
    there = other_than(here)
    hosts[there].pools["fast"] = FakePool(store.path, type="netfs", source=store.source)

    live_migrate_server(server=server, move=LiveMove(host=there), actor=ADMIN, now=timezone.now())
    ended = work_off(server)

    assert ended.state == OperationState.FAILED
    assert "does not see the volume" in server.faults.first().message
    assert_is_whole_at(hosts, store, server, here)


def test_an_evacuated_server_keeps_its_disks_also_when_the_old_host_is_back(
    hosts, store, server, work
):
    old = server.hypervisor
    hosts[old.name].be_down()
    Hypervisor.objects.filter(pk=old.pk).update(state=HostState.DOWN)
    server.hypervisor.refresh_from_db()

    evacuate_server(server=server, wanted=Evacuation(), actor=ADMIN, now=timezone.now())
    ended = work(server.pk)
    assert ended.state == OperationState.DONE, ended.error
    hosts[old.name].be_down(False)
    Hypervisor.objects.filter(pk=old.pk).update(state=HostState.UP)
    for subject in Operation.objects.filter(state__in=UNFINISHED).values_list("subject"):
        work(subject[0])

    assert_is_whole_at(hosts, store, server, other_than(old.name))


def test_an_evacuation_that_fails_leaves_the_disks(hosts, store, server, work_off):
    old = server.hypervisor
    there = other_than(old.name)
    hosts[old.name].be_down()
    Hypervisor.objects.filter(pk=old.pk).update(state=HostState.DOWN)
    hosts[there].refuse("define_guest")
    server.hypervisor.refresh_from_db()

    evacuate_server(server=server, wanted=Evacuation(), actor=ADMIN, now=timezone.now())
    ended = work_off(server)
    hosts[old.name].be_down(False)

    assert ended.state == OperationState.FAILED
    assert_is_whole_at(hosts, store, server, old.name)


@pytest.fixture
def big(flavor) -> Flavor:
    return Flavor.objects.create(
        flavorid="9", name="m1.big", vcpus=2, ram_mib=512, disk_gib=flavor.disk_gib + 1,
        ephemeral_gib=0, swap_mib=64, extra_specs={},
    )  # fmt: skip


def resized(server, work) -> Server:
    """On the other host, with what its guest wrote there since."""
    resize_server(
        server=server, actor=actor_named("manager"), now=timezone.now(), flavor_id="9",
        disk_config="",
    )  # fmt: skip
    ended = work(server.pk)
    assert ended.state == OperationState.DONE, ended.error
    return Server.objects.select_related("hypervisor").get(pk=server.pk)


def test_a_resize_to_the_other_host_grows_the_disk_in_place_and_is_confirmed(
    hosts, store, server, big, work, work_off
):
    first = server.hypervisor.name

    server = resized(server, work)
    assert server.hypervisor.name == other_than(first)
    assert store.volumes[f"{server.pk}-root"].capacity == big.disk_gib * GIB
    assert f"{server.pk}-before-root" in store.volumes
    confirm_resize(server=server, actor=actor_named("manager"), now=timezone.now())
    work_off(server)

    assert server.vm_state == VmState.ACTIVE
    assert of(server, store) == {"-root", "-config", "-swap"}
    assert store.volumes[f"{server.pk}-root"].content == b"written"
    assert not leftovers(hosts[first])


def test_a_reverted_resize_has_the_disk_of_before(hosts, store, server, big, work, work_off):
    first = server.hypervisor.name
    server = resized(server, work)
    store.volumes[f"{server.pk}-root"].content = b"written later"

    revert_resize(server=server, actor=actor_named("manager"), now=timezone.now())
    work_off(server)

    assert store.volumes[f"{server.pk}-root"].capacity == GIB
    assert_is_whole_at(hosts, store, server, first)


def test_a_resize_that_fails_there_has_the_disk_of_before(hosts, store, server, big, work_off):
    first = server.hypervisor.name
    hosts[other_than(first)].refuse("start_guest")

    resize_server(
        server=server, actor=actor_named("manager"), now=timezone.now(), flavor_id="9",
        disk_config="",
    )  # fmt: skip
    ended = work_off(server)

    assert ended.state == OperationState.FAILED
    assert store.volumes[f"{server.pk}-root"].capacity == GIB
    assert_is_whole_at(hosts, store, server, first)


def test_a_cold_migration_takes_the_disks_along_without_a_copy(
    hosts, store, server, work, work_off
):
    first = server.hypervisor.name
    migrate_server(server=server, host="", actor=actor_named("manager"), now=timezone.now())
    assert work(server.pk).state == OperationState.DONE

    server = Server.objects.select_related("hypervisor").get(pk=server.pk)
    confirm_resize(server=server, actor=actor_named("manager"), now=timezone.now())
    work_off(server)

    assert not [call for host in hosts.values() for call in host.calls if call == "take_disk"]
    assert_is_whole_at(hosts, store, server, other_than(first))


def test_a_build_that_goes_on_elsewhere_keeps_its_disks_when_the_first_host_is_back(
    hosts, store, create, work
):
    made = create(options=FAST)
    first = {}

    def vanish(point: str) -> None:
        if point == "before start_guest" and not first:
            first["name"] = next(name for name, host in hosts.items() if made.pk in host.guests)
            hosts[first["name"]].be_down()

    hosts.watch(vanish)
    work(made.pk)
    hosts.watch(None)
    built = Server.objects.select_related("hypervisor").get(pk=made.pk)
    assert built.hypervisor == Hypervisor.objects.get(name=other_than(first["name"]))
    store.volumes[f"{made.pk}-root"].content = b"written"

    hosts[first["name"]].be_down(False)
    for subject in Operation.objects.filter(state__in=UNFINISHED).values_list("subject"):
        work(subject[0])

    assert store.volumes[f"{made.pk}-root"].content == b"written"
    assert not leftovers(hosts[first["name"]])


def test_a_deleted_server_leaves_nothing_in_the_store(hosts, store, server, work_off):
    delete_server(server=server, actor=actor_named("member"), now=timezone.now())
    work_off(server)

    assert of(server, store) == set()


def test_a_full_store_is_a_clean_fault(hosts, store, create, work):
    for name in ("host1", "host2"):
        hosts[name].refuse("create_overlay", DriverPoolFull("No space left on device"))

    made = create(options=FAST)
    work(made.pk)

    made.refresh_from_db()
    assert made.vm_state == VmState.ERROR
    assert of(made, store) == set()
    for name in ("host1", "host2"):
        assert not leftovers(hosts[name])


def test_the_sweep_of_the_other_host_takes_nothing_for_stray(hosts, store, server):
    there = Hypervisor.objects.get(name=other_than(server.hypervisor.name))

    found = list(volume_checks.check(view_of(hosts, there)))
    here = list(volume_checks.check(view_of(hosts, server.hypervisor)))

    assert found == []
    assert here == []


def view_of(hosts, host) -> HostView:
    started = timezone.now()
    seen = survey(host)
    return HostView(seen, host_facts(host, seen, started_at=started))


def test_images_stay_known_when_a_host_is_forgotten(hosts, store, server, work_off):
    delete_server(server=server, actor=actor_named("member"), now=timezone.now())
    work_off(server)
    [row] = CachedImage.objects.filter(pool__name="fast")

    remove_hypervisor(hypervisor=row.pool.hypervisor)

    [kept] = CachedImage.objects.filter(pool__name="fast")
    assert kept.is_ready
    assert [name for name in store.volumes if name.startswith("base-")]

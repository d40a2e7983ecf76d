"""Servers in a volume group: their disks are copies of the image, and stay on their host."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from django.utils import timezone

from flavors.models import Flavor
from hypervisors.add_pool import NewPool, add_pool
from hypervisors.models import Hypervisor
from hypervisors.survey import survey
from integrity.checks import definitions
from integrity.checks import volumes as volume_checks
from integrity.facts import host_facts
from integrity.view import HostView
from maintenance.outlook import outlook_of
from operations.kinds import DEFAULT_QUEUE, TRANSFER_QUEUE
from operations.models import OperationState
from servers.delete import delete_server
from servers.errors import DisksBound
from servers.live_migration import LiveMove, live_migrate_server
from servers.models import Server
from servers.operations.base_image import queue_of_disks
from servers.resize import migrate_server, resize_server
from servers.snapshot import WantedImage, snapshot_server
from servers.states import VmState
from tests.authorisation import actor_named
from tests.hypervisors.clean_slate import leftovers
from tests.hypervisors.fake_host import make_hypervisor
from tests.hypervisors.fake_pools import FakePool

pytestmark = pytest.mark.django_db(transaction=True)

GIB = 1024**3
ADMIN = dataclasses.replace(actor_named("admin"), request_id="req-logical")
IN_GROUP = {"store_id": "group"}


@pytest.fixture
def group(hosts) -> FakePool:
    host = make_hypervisor(hosts, "host1")
    add_pool(hypervisor=host, wanted=NewPool("group", type="logical", source="vg0"))
    return hosts["host1"].pools["group"]


@pytest.fixture
def server(group, flavor, create, work) -> Server:
    Flavor.objects.filter(pk=flavor.pk).update(ephemeral_gib=2, swap_mib=64)
    made = create(options=IN_GROUP, config_drive=True)
    ended = work(made.pk)
    assert ended.state == OperationState.DONE, ended.error
    return Server.objects.select_related("hypervisor").get(pk=made.pk)


def test_root_and_ephemeral_are_raw_devices_and_the_rest_files(hosts, group, server):
    assert group.volumes[f"{server.pk}-root"].content == b"an image"
    assert {name.removeprefix(str(server.pk)) for name in group.volumes} == {
        "-root", "-root.verified", "-ephemeral0",
    }  # fmt: skip
    disks = hosts["host1"].guests[server.pk].spec.disks
    assert [(disk.role, disk.pool, disk.format) for disk in disks] == [
        ("root", "group", "raw"),
        ("ephemeral", "group", "raw"),
        ("swap", "cloudportal", "qcow2"),
        ("config", "cloudportal", "raw"),
    ]


def test_a_build_that_was_cut_short_copies_the_image_again(hosts, group, create, work):
    made = create(options=IN_GROUP)

    def die(point: str) -> None:
        if point == "inside fill_block":
            hosts.watch(None)
            raise KeyboardInterrupt

    hosts.watch(die)
    with pytest.raises(KeyboardInterrupt):
        work(made.pk)
    assert group.volumes[f"{made.pk}-root"].content == b""
    ended = work(made.pk)

    assert ended.state == OperationState.DONE, ended.error
    assert group.volumes[f"{made.pk}-root"].content == b"an image"


def test_a_full_group_is_a_clean_fault(hosts, group, create, work):
    group.room = GIB // 2

    made = create(options=IN_GROUP)
    work(made.pk)

    made.refresh_from_db()
    assert made.vm_state == VmState.ERROR
    assert group.volumes == {}
    assert not leftovers(hosts["host1"])


def test_a_deleted_server_leaves_nothing(hosts, group, server, work):
    delete_server(server=server, actor=actor_named("member"), now=timezone.now())
    work(server.pk)

    assert group.volumes == {}
    assert not leftovers(hosts["host1"])


def test_what_writes_whole_disks_is_a_transfer(group, server):
    host = Hypervisor.objects.get(name="host1")
    plain = Server.objects.get(pk=server.pk)
    plain.options = {}

    assert queue_of_disks(server, host) == TRANSFER_QUEUE
    assert queue_of_disks(plain, host) == queue_of_disks(server, None) == DEFAULT_QUEUE


def test_an_image_is_made_of_its_disk_in_the_default_pool(hosts, group, server, work):
    snapshot_server(
        server=server,
        wanted=WantedImage(name="copy"),
        actor=actor_named("member"),
        now=timezone.now(),
    )
    copy = f"{server.pk}-copy-"
    seen = set()

    def look(point: str) -> None:
        seen.update(
            pool
            for pool, found in hosts["host1"].pools.items()
            if any(name.startswith(copy) for name in found.volumes)
        )

    hosts.watch(look)
    ended = work(server.pk)
    hosts.watch(None)

    assert ended.state == OperationState.DONE, ended.error
    assert seen == {"cloudportal"}


def test_what_its_disks_cannot_do_is_refused_before_anything_is_done(hosts, group, server, flavor):
    Flavor.objects.create(
        flavorid="9", name="m1.big", vcpus=2, ram_mib=512, disk_gib=flavor.disk_gib + 1,
        ephemeral_gib=2, swap_mib=64, extra_specs={},
    )  # fmt: skip
    make_hypervisor(hosts, "host2")
    asked = {"server": server, "now": timezone.now()}

    with pytest.raises(DisksBound):
        resize_server(actor=actor_named("manager"), flavor_id="9", disk_config="", **asked)
    with pytest.raises(DisksBound):
        migrate_server(actor=actor_named("manager"), host="", **asked)
    with pytest.raises(DisksBound):
        live_migrate_server(actor=ADMIN, move=LiveMove(), **asked)

    server.refresh_from_db()
    assert (server.vm_state, server.task_state) == (VmState.ACTIVE, None)


def test_a_drain_says_that_it_stays(group, server):
    seen = outlook_of(server, server.hypervisor, moves_stopped=True, blocks={"group"})

    assert "logical volumes" in seen.obstacle


def test_the_sweep_finds_nothing_wrong(hosts, group, server):
    host = Hypervisor.objects.get(name="host1")
    Server.objects.update(updated_at=timezone.now() - timedelta(minutes=1))
    started = timezone.now()
    seen = survey(host)

    view = HostView(seen, host_facts(host, seen, started_at=started))

    assert list(volume_checks.check(view)) == []
    assert list(definitions.check(view)) == []

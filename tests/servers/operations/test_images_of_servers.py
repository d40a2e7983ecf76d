"""Images of servers and servers on the shelf, as rows, files and on fake hosts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from hypervisors.libvirt.errors import DriverError, HostUnreachable
from images.delete import delete_image
from images.models import Image, ImageStatus
from images.storage import image_path
from images.sweep import STALE_AFTER, remove_stray_files
from integrity.models import Finding
from integrity.sweep import look_at_host
from operations.models import Operation, OperationState
from servers.delete import delete_server
from servers.models import Server, ServerAction
from servers.power import pause_server, stop_server
from servers.shelve import (
    WantedPlace,
    offload_server,
    offload_those_due,
    shelve_server,
    unshelve_server,
)
from servers.snapshot import WantedImage, back_up_server, snapshot_server
from servers.states import PowerState, VmState
from tests.authorisation import actor_named
from tests.hypervisors.fake_host import make_hypervisor

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ask(server, work):
    """Ask for a change and have it done."""

    def change(use_case, *, later: bool = False, who: str = "member", **options):
        server.refresh_from_db()
        use_case(server=server, actor=actor_named(who), now=timezone.now(), **options)
        ended = None if later else work(server.pk)
        server.refresh_from_db()
        return ended

    return change


def snapshot(ask, name="picture", **options):
    ended = ask(snapshot_server, wanted=WantedImage(name=name), **options)
    return ended, Image.objects.get(name=name)


def volumes(hosts, name="host1"):
    [pool] = hosts[name].pools.values()
    return sorted(each for each in pool.volumes if not each.startswith("base-"))


def test_an_image_has_the_disks_content_and_its_hashes(server, hosts, ask):
    before = volumes(hosts)

    ended, image = snapshot(ask)

    assert ended.state == OperationState.DONE, ended.error
    assert image.status == ImageStatus.ACTIVE
    content = image_path(image).read_bytes()
    assert content.endswith(b"an image")
    assert image.size == len(content)
    assert len(image.sha256) == 64
    assert image.virtual_size == 1024**3
    assert image.properties["image_state"] == "available"
    assert (server.vm_state, server.task_state) == (VmState.ACTIVE, None)
    assert volumes(hosts) == before


@pytest.mark.parametrize("change", [pause_server, stop_server])
def test_also_a_guest_that_does_not_run_has_its_image_made(server, ask, change):
    ask(change)
    was = server.vm_state

    ended, image = snapshot(ask)

    assert ended.state == OperationState.DONE, ended.error
    assert (image.status, server.vm_state) == (ImageStatus.ACTIVE, was)


def test_what_fails_leaves_no_image_and_the_server_free(server, hosts, ask):
    before = volumes(hosts)
    hosts["host1"].fail_on("finish_copy", DriverError("odd"))

    ended, image = snapshot(ask)

    assert ended.state == OperationState.FAILED
    assert image.status == ImageStatus.DELETED
    assert (server.vm_state, server.task_state) == (VmState.ACTIVE, None)
    assert server.faults.count() == 1
    action = ServerAction.objects.get(server_id=server.pk, action="createImage")
    assert (action.message, action.events.get().result) == ("Error", "Error")
    assert volumes(hosts) == before


def test_an_image_that_is_deleted_meanwhile_ends_the_work(server, hosts, ask, work):
    ask(snapshot_server, wanted=WantedImage(name="picture"), later=True)
    image = Image.objects.get(name="picture")
    delete_image(image=image, actor=actor_named("member"), now=timezone.now())

    ended = work(server.pk)

    server.refresh_from_db()
    assert ended.state == OperationState.FAILED
    assert (server.vm_state, server.task_state) == (VmState.ACTIVE, None)
    assert not any("copy" in each for each in volumes(hosts))


def test_an_image_that_must_be_quiet_fails_without_an_agent(server, hosts, ask):
    Server.objects.update(image_properties={"os_require_quiesce": "yes"})

    ended, image = snapshot(ask)

    assert ended.state == OperationState.FAILED
    assert image.status == ImageStatus.DELETED


def test_a_deleted_server_takes_half_an_image_along(server, hosts, ask, work):
    ask(snapshot_server, wanted=WantedImage(name="picture"), later=True)

    delete_server(server=server, actor=actor_named("member"), now=timezone.now())
    work(server.pk)

    assert Image.objects.get(name="picture").status == ImageStatus.DELETED
    assert hosts["host1"].is_clean()


def test_an_image_at_work_is_not_freed_for_others(server, ask):
    ask(snapshot_server, wanted=WantedImage(name="picture"), later=True)
    long_ago = timezone.now() - 2 * STALE_AFTER
    Image.objects.filter(name="picture").update(status=ImageStatus.SAVING, updated_at=long_ago)

    remove_stray_files(timezone.now())

    assert Image.objects.get(name="picture").status == ImageStatus.SAVING


def test_only_so_many_backups_of_a_type_are_kept(server, ask):
    def back_up(name, backup_type="daily", rotation=2):
        ended = ask(
            back_up_server,
            wanted=WantedImage(name=name),
            backup_type=backup_type,
            rotation=rotation,
        )
        assert ended.state == OperationState.DONE, ended.error

    def kept():
        rows = Image.objects.filter(status=ImageStatus.ACTIVE, properties__image_type="backup")
        return set(rows.values_list("name", flat=True))

    snapshot(ask)
    back_up("weekly", "weekly")
    for name in ("a", "b", "c"):
        back_up(name)
    assert kept() == {"weekly", "b", "c"}
    Image.objects.filter(name="b").update(is_protected=True)
    back_up("d", rotation=1)
    assert kept() == {"weekly", "b", "d"}
    back_up("none", rotation=0)
    assert kept() == {"weekly", "b"}
    assert Image.objects.get(name="picture").status == ImageStatus.ACTIVE


def test_a_shelved_server_is_on_no_host_and_comes_back_with_its_disk(server, hosts, ask):
    base = server.image_id

    ended = ask(shelve_server)

    assert ended.state == OperationState.DONE, ended.error
    assert (server.vm_state, server.hypervisor) == (VmState.SHELVED_OFFLOADED, None)
    assert hosts["host1"].is_clean()
    shelved = Image.objects.get(pk=server.shelved_image_id)
    assert shelved.name == "web-shelved"
    ended = ask(unshelve_server)
    assert ended.state == OperationState.DONE, ended.error
    assert (server.vm_state, server.image_id) == (VmState.ACTIVE, base)
    [pool] = hosts["host1"].pools.values()
    assert str(shelved.pk) in pool.volumes[f"{server.pk}-root"].backing
    shelved.refresh_from_db()
    assert shelved.status == ImageStatus.DELETED
    assert not image_path(shelved).exists()


def test_nothing_is_given_up_while_the_image_is_not_whole(server, hosts, ask):
    hosts["host1"].fail_on("read_volume", DriverError("odd"), times=9)

    ended = ask(shelve_server)

    assert ended.state == OperationState.FAILED
    assert (server.vm_state, server.task_state) == (VmState.ACTIVE, None)
    assert hosts["host1"].guests[server.pk].power_state == "running"
    assert not any("copy" in each for each in volumes(hosts))
    assert server.shelved_image_id is None


def test_a_paused_server_that_could_not_be_shelved_is_off(server, hosts, ask):
    ask(pause_server)
    hosts["host1"].fail_on("start_copy", DriverError("odd"))

    ask(shelve_server)

    assert (server.vm_state, server.power_state) == (VmState.STOPPED, PowerState.SHUTDOWN)


def test_a_host_that_is_away_owes_what_it_keeps_of_a_shelved_server(server, hosts, ask, work):
    hosts["host1"].refuse("remove_guest", HostUnreachable("away"))

    ended = ask(shelve_server)

    assert ended.state == OperationState.DONE, ended.error
    assert server.vm_state == VmState.SHELVED_OFFLOADED
    debt = Operation.objects.get(kind="server.cleanup")
    make_hypervisor(hosts, "host2")
    ended = ask(unshelve_server)
    assert ended.state == OperationState.DONE, ended.error
    # Not where its earlier self still is to be taken off.
    assert server.hypervisor.name == "host2"
    hosts["host1"].heal()
    work(debt.subject)
    assert hosts["host1"].is_clean()
    assert hosts["host2"].guests[server.pk].power_state == "running"
    action = ServerAction.objects.get(server_id=server.pk, action="unshelve")
    assert [each.event for each in action.events.all()] == [
        "get_image_info",
        "schedule_instances",
        "compute_unshelve_instance",
    ]


def test_by_the_setting_a_server_waits_on_its_host(server, hosts, ask, work, settings):
    settings.SHELVED_OFFLOAD_S = 600
    ask(shelve_server)
    assert (server.vm_state, server.hypervisor.name) == (VmState.SHELVED, "host1")
    assert offload_those_due(timezone.now()) == 0
    ask(unshelve_server)
    assert server.vm_state == VmState.ACTIVE
    assert hosts["host1"].guests[server.pk].power_state == "running"
    ask(shelve_server)

    assert offload_those_due(timezone.now() + timedelta(seconds=601)) == 1

    work(server.pk)
    server.refresh_from_db()
    assert server.vm_state == VmState.SHELVED_OFFLOADED
    assert hosts["host1"].is_clean()


def test_a_server_may_wait_for_ever_until_an_administrator_decides(server, ask, settings):
    settings.SHELVED_OFFLOAD_S = -1
    ask(shelve_server)
    assert offload_those_due(timezone.now() + timedelta(days=900)) == 0

    ask(offload_server, who="admin")

    assert server.vm_state == VmState.SHELVED_OFFLOADED


def test_a_server_comes_back_on_the_host_that_is_named(server, hosts, ask):
    make_hypervisor(hosts, "host2")
    ask(shelve_server)

    ask(unshelve_server, who="admin", wanted=WantedPlace(host="host2"))

    assert server.hypervisor.name == "host2"


def test_a_server_for_which_there_is_no_room_stays_shelved(server, hosts, ask, one_host):
    ask(shelve_server)
    type(one_host).objects.update(is_enabled=False)

    ended = ask(unshelve_server)

    assert ended.state == OperationState.FAILED
    assert (server.vm_state, server.task_state) == (VmState.SHELVED_OFFLOADED, None)
    assert server.faults.get().message.startswith("No valid host was found")
    type(one_host).objects.update(is_enabled=True)
    assert ask(unshelve_server).state == OperationState.DONE


def test_a_server_whose_image_is_gone_says_so(server, hosts, ask):
    ask(shelve_server)
    image = Image.objects.get(pk=server.shelved_image_id)
    delete_image(image=image, actor=actor_named("member"), now=timezone.now())

    ended = ask(unshelve_server)

    assert ended.state == OperationState.FAILED
    assert server.faults.get().message == (
        f"Unshelve attempted but the image {image.pk} cannot be found."
    )
    assert hosts["host1"].is_clean()


def test_the_image_of_a_deleted_server_goes_with_it(server, ask, work):
    ask(shelve_server)

    delete_server(server=server, actor=actor_named("member"), now=timezone.now())
    work(server.pk)

    assert Image.objects.get(name="web-shelved").status == ImageStatus.DELETED


@pytest.mark.parametrize("offload_s", [0, -1])
def test_a_server_on_the_shelf_is_no_finding(server, hosts, ask, settings, one_host, offload_s):
    settings.SHELVED_OFFLOAD_S = offload_s
    ask(shelve_server)
    past = timezone.now() - timedelta(minutes=5)
    Operation.objects.update(finished_at=past)
    Server.objects.update(updated_at=past)

    look_at_host(one_host, refresh=False)

    assert list(Finding.objects.open().values_list("summary", flat=True)) == []

"""What rebuild, rescue and unrescue do to a server's disks and guest."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from cloudportal.errors import NotOffered
from hypervisors.libvirt.errors import DriverError, HostUnreachable
from hypervisors.models import Hypervisor, StoragePool
from images.models import Image
from integrity.models import Finding
from integrity.sweep import look_at_host
from operations.models import Operation
from servers.config_drive import read_user_data
from servers.delete import delete_server
from servers.errors import PasswordNotSet
from servers.guest_password import change_password
from servers.models import Server
from servers.power import reboot_server, stop_server
from servers.reimage import WantedRebuild, rebuild_server
from servers.rescue import rescue_server, unrescue_server
from servers.restore import restore_server
from servers.states import PowerState, VmState
from tests.authorisation import actor_named
from tests.hypervisors.fake_host import make_hypervisor
from tests.hypervisors.fake_pools import FakeVolume
from tests.servers.operations.conftest import assert_nothing_left
from volumes.models import Attachment, Volume, VolumeType

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(one_host, create, work, flavor) -> Server:
    flavor.ephemeral_gib, flavor.swap_mib = 1, 64
    flavor.save()
    made = create()
    work(made.pk)
    return Server.objects.get(pk=made.pk)


@pytest.fixture
def ask(server, work):
    """Ask for a change and have it done."""

    def change(use_case, **options) -> Server:
        server.refresh_from_db()
        use_case(server=server, actor=actor_named("member"), now=timezone.now(), **options)
        work(server.pk)
        server.refresh_from_db()
        return server

    return change


@pytest.fixture
def rebuild(ask, server):
    def asked(**fields) -> Server:
        return ask(rebuild_server, wanted=WantedRebuild(image_id=server.image_id, **fields))

    return asked


def volumes(hosts, server, pool="cloudportal"):
    found = hosts["host1"].pools[pool].volumes
    return {
        name.removeprefix(f"{server.pk}-"): volume
        for name, volume in found.items()
        if name.startswith(f"{server.pk}-")
    }


def mark(hosts, server):
    """Write something onto every disk."""
    for volume in volumes(hosts, server).values():
        volume.content += b"mark"


def marked(hosts, server):
    found = volumes(hosts, server).items()
    return {name for name, volume in found if volume.content.endswith(b"mark")}


def test_a_rebuild_makes_every_disk_anew(server, hosts, rebuild):
    mark(hosts, server)
    ports = hosts["host1"].guests[server.pk].spec.interfaces

    rebuild(changes={"name": "new", "user_data": "bmV3"})

    assert marked(hosts, server) == set()
    assert (server.vm_state, server.task_state, server.power_state) == ("active", None, 1)
    guest = hosts["host1"].guests[server.pk]
    assert (guest.spec.title, guest.spec.interfaces) == ("new", ports)
    assert read_user_data(volumes(hosts, server)["config"].content) == b"new"


def test_an_ephemeral_disk_is_preserved_when_that_is_asked_for(server, hosts, rebuild):
    mark(hosts, server)

    rebuild(preserve_ephemeral=True)

    assert marked(hosts, server) == {"ephemeral0"}
    assert "shutdown_guest" in hosts["host1"].calls


def test_a_server_that_was_off_is_off_again(server, hosts, ask, rebuild):
    ask(stop_server)

    rebuild()

    assert (server.vm_state, server.power_state) == (VmState.STOPPED, PowerState.SHUTDOWN)
    assert hosts["host1"].guests[server.pk].power_state == "shutdown"


def test_a_host_that_does_not_fit_the_image_keeps_the_server_as_it_was(server, hosts, rebuild):
    mark(hosts, server)
    Image.objects.update(properties={"hw_architecture": "aarch64"})

    rebuild(changes={"name": "new", "metadata": {"a": "b"}})

    assert (server.vm_state, server.task_state) == (VmState.ACTIVE, None)
    assert (server.name, server.metadata, server.image_properties) == ("web", {}, {})
    assert "root" in marked(hosts, server)
    assert "does not fit the image" in server.faults.latest("created_at").message


def test_a_guest_that_cannot_be_stopped_keeps_its_disk(server, hosts, rebuild):
    mark(hosts, server)
    hosts["host1"].refuse("destroy_guest", DriverError("odd"))

    rebuild(changes={"name": "new"})

    assert (server.vm_state, server.name) == (VmState.ACTIVE, "web")
    assert "root" in marked(hosts, server)
    assert hosts["host1"].guests[server.pk].power_state == "running"


def test_a_failure_after_the_disk_is_gone_is_an_error_that_a_rebuild_mends(server, hosts, rebuild):
    hosts["host1"].fail_on("create_overlay", DriverError("odd"))

    rebuild(changes={"name": "new"})
    assert (server.vm_state, server.task_state, server.name) == (VmState.ERROR, None, "new")

    rebuild()
    assert (server.vm_state, server.power_state) == (VmState.ACTIVE, PowerState.RUNNING)


def test_a_guest_that_was_lost_is_rebuilt(server, hosts, rebuild):
    hosts["host1"].guests.pop(server.pk)
    Server.objects.update(vm_state=VmState.ERROR)

    rebuild()

    assert server.vm_state == VmState.ACTIVE
    assert hosts["host1"].guests[server.pk].power_state == "running"


def test_a_rescued_server_boots_from_another_disk_with_its_own_second(server, hosts, ask):
    mark(hosts, server)

    ask(rescue_server)

    assert (server.vm_state, server.status) == (VmState.RESCUED, "RESCUE")
    disks = hosts["host1"].guests[server.pk].spec.disks
    assert [(disk.role, disk.boot_order) for disk in disks] == [
        ("root", None),
        ("rescue", 1),
        ("config", None),
    ]
    assert "root" in marked(hosts, server)
    assert volumes(hosts, server)["rescue-config"].content

    ask(unrescue_server)

    assert (server.vm_state, server.power_state) == (VmState.ACTIVE, PowerState.RUNNING)
    assert set(volumes(hosts, server)) == {"root", "ephemeral0", "swap", "config"}
    roles = [disk.role for disk in hosts["host1"].guests[server.pk].spec.disks]
    assert roles == ["root", "ephemeral", "swap", "config"]


def test_a_rescue_disk_with_a_device_of_its_own_comes_behind_all_disks(server, hosts, ask):
    Image.objects.update(properties={"hw_rescue_device": "cdrom", "hw_rescue_bus": "scsi"})

    ask(rescue_server)

    disks = hosts["host1"].guests[server.pk].spec.disks
    assert [disk.role for disk in disks] == ["root", "ephemeral", "swap", "rescuer", "config"]
    [rescuer] = [disk for disk in disks if disk.boot_order == 1]
    assert (rescuer.role, rescuer.device, rescuer.bus) == ("rescuer", "cdrom", "scsi")


def test_a_rescue_that_fails_lets_the_server_run_as_before(server, hosts, ask):
    hosts["host1"].fail_on("start_guest", DriverError("odd"))

    ask(rescue_server)

    assert (server.vm_state, server.task_state) == (VmState.ACTIVE, None)
    guest = hosts["host1"].guests[server.pk]
    assert (guest.power_state, guest.spec.disks[0].boot_order) == ("running", 1)
    assert "rescue" not in volumes(hosts, server)


def test_a_rescue_that_its_host_cannot_undo_is_mended_by_a_hard_reboot(server, hosts, ask):
    hosts["host1"].refuse("start_guest", HostUnreachable("away"), after=True)
    hosts["host1"].refuse("destroy_guest", HostUnreachable("away"))

    ask(rescue_server)
    assert (server.vm_state, server.task_state) == (VmState.ERROR, None)
    hosts["host1"].heal()
    ask(reboot_server, hard=True)

    assert server.vm_state == VmState.ACTIVE
    assert set(volumes(hosts, server)) == {"root", "ephemeral0", "swap", "config"}
    assert hosts["host1"].guests[server.pk].spec.disks[0].role == "root"


def test_a_rescued_server_is_known_from_its_guest_alone(server, hosts, ask):
    ask(rescue_server)
    guest = hosts["host1"].guests[server.pk]
    Operation.objects.all().delete()
    Server.objects.filter(pk=server.pk).delete()

    restored = restore_server(
        hypervisor=Hypervisor.objects.get(),
        metadata=guest.spec.metadata,
        info=hosts["host1"].guest_info(server.pk),
        now=timezone.now(),
    )

    assert restored.vm_state == VmState.RESCUED


def test_no_sweep_touches_a_rescued_server(server, hosts, ask):
    ask(rescue_server)
    past = timezone.now() - timedelta(minutes=5)
    Server.objects.update(updated_at=past)
    Operation.objects.update(finished_at=past)

    look_at_host(Hypervisor.objects.get(), refresh=False)

    assert not Finding.objects.open().exists()


def test_deleting_a_rescued_server_leaves_nothing(server, hosts, ask):
    ask(rescue_server)
    ask(delete_server)

    assert_nothing_left(hosts)


def test_the_agent_sets_the_password_of_the_images_user(server, hosts, ask):
    properties = {"hw_qemu_guest_agent": "yes", "os_admin_user": "debian"}
    Server.objects.update(image_properties=properties)
    ask(reboot_server, hard=True)

    ask(change_password, password="secret")

    assert hosts["host1"].passwords[server.pk] == ("debian", "secret")
    assert (server.vm_state, server.task_state, server.sealed_admin_password) == (
        VmState.ACTIVE,
        None,
        "",
    )


def test_an_agent_that_is_silent_refuses(server, hosts, ask):
    Server.objects.update(image_properties={"hw_qemu_guest_agent": "yes"})
    ask(reboot_server, hard=True)
    hosts["host1"].has_agents = False

    with pytest.raises(PasswordNotSet, match="does not answer"):
        ask(change_password, password="secret")


def test_disks_go_to_the_pool_that_was_asked_for(hosts, one_host, create, work, ask_of):
    make_hypervisor(hosts, "host2")
    pool = StoragePool.objects.create(
        hypervisor=Hypervisor.objects.get(name="host1"), name="fast", available=10 * 1024**3
    )
    hosts["host1"].pools["fast"] = dataclasses.replace(
        hosts["host1"].pools["cloudportal"], path="/fast", volumes={}
    )
    made = create(options={"store_id": "fast"})
    work(made.pk)
    made.refresh_from_db()

    assert (made.vm_state, made.hypervisor) == (VmState.ACTIVE, pool.hypervisor)
    assert set(volumes(hosts, made)) == set()
    assert "root" in volumes(hosts, made, "fast")
    ask_of(made, rescue_server)
    assert "rescue" in volumes(hosts, made, "fast")
    ask_of(made, unrescue_server)
    ask_of(made, rebuild_server, wanted=WantedRebuild(image_id=made.image_id))
    assert made.vm_state == VmState.ACTIVE
    assert set(volumes(hosts, made, "fast")) == {"root", "config"}


@pytest.fixture
def ask_of(work):
    def change(server, use_case, **options) -> None:
        server.refresh_from_db()
        use_case(server=server, actor=actor_named("member"), now=timezone.now(), **options)
        work(server.pk)
        server.refresh_from_db()

    return change


@pytest.fixture
def root_volume(server, hosts) -> Volume:
    """What was the server's root disk is a volume, made of the same image."""
    kind, _ = VolumeType.objects.get_or_create(name="local")
    volume = Volume.objects.create(
        project_id=server.project_id,
        user_id=server.user_id,
        size_gib=1,
        status="in-use",
        type=kind,
        image_id=server.image_id,
        hypervisor=server.hypervisor,
        pool="cloudportal",
    )
    Attachment.objects.create(
        volume=volume, server_id=server.pk, status="attached", device="/dev/vda", boot_index=0
    )
    found = hosts["host1"].pools["cloudportal"].volumes
    found[volume.storage_name] = FakeVolume(volume.storage_name, "qcow2", 1, b"mark")
    del found[f"{server.pk}-root"]
    Server.objects.update(image_id=None)
    return volume


def roles(hosts, server):
    disks = hosts["host1"].guests[server.pk].spec.disks
    return {disk.volume.removeprefix(f"{server.pk}-"): disk.boot_order for disk in disks}


def test_a_root_disk_that_is_a_volume_stays_when_its_server_is_rebuilt(
    server, hosts, ask, root_volume
):
    mark(hosts, server)
    wanted = WantedRebuild(image_id=root_volume.image_id, changes={"name": "new"})

    ask(rebuild_server, wanted=wanted)

    assert (server.vm_state, server.name, server.image_id) == (VmState.ACTIVE, "new", None)
    assert marked(hosts, server) == set()
    kept = hosts["host1"].pools["cloudportal"].volumes[root_volume.storage_name]
    assert kept.content == b"mark"
    assert roles(hosts, server)[root_volume.storage_name] == 1


def test_a_volume_is_given_no_other_image(server, ask, root_volume):
    wanted = WantedRebuild(image_id=uuid4(), may_reimage_volume=True)

    with pytest.raises(NotOffered):
        ask(rebuild_server, wanted=wanted)


def test_a_server_on_a_volume_is_rescued_with_its_volume_beside(server, hosts, ask, root_volume):
    Image.objects.update(properties={"hw_rescue_device": "disk"})
    wanted = {"image_id": root_volume.image_id, "may_be_on_volume": True}

    ask(rescue_server, **wanted)
    assert server.vm_state == VmState.RESCUED
    assert roles(hosts, server)["rescue"] == 1
    assert roles(hosts, server)[root_volume.storage_name] is None

    ask(unrescue_server)
    assert server.vm_state == VmState.ACTIVE
    assert roles(hosts, server)[root_volume.storage_name] == 1

"""Every kind of operation, as the matrix needs to know it. A new kind gets an entry in `CASES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from django.utils import timezone

from hypervisors import links
from hypervisors.libvirt.errors import DriverError
from hypervisors.models import BuildSlot, Hypervisor
from integrity.models import Finding
from integrity.request_repairs import request_repairs
from integrity.sweep import look_at_host
from networks.delete import delete_network
from networks.models import Port
from networks.wiring import bridge_name, libvirt_network_name
from operations.kinds import Kind, kind_named
from operations.models import Operation, OperationState
from quotas.models import Reservation
from scheduling.models import Allocation
from servers.models import Server, ServerAction
from servers.power import (
    pause_server,
    reboot_server,
    resume_server,
    start_server,
    stop_server,
    suspend_server,
    trigger_crash_dump,
    unpause_server,
)
from servers.states import PowerState, VmState
from tests.authorisation import actor_named
from tests.matrix import (
    adopt,
    fences,
    floating,
    groups,
    imports,
    interfaces,
    migrate,
    networks,
    precache,
    projects,
    reimage,
    rescue,
    resize,
    volumes,
)
from tests.matrix import images_of_servers as of_servers
from tests.matrix.world import World, operation_of


@dataclass(frozen=True)
class Case:
    """One way an operation of a kind begins and how it has to end.

    `begin` makes the subject and asks for the operation as users do. `ended_well` and
    `ended_badly` assert its right ends; a kind that may not fail has no bad one. What is left after
    either is taken away by `World.renew`, and then nothing may be there any more. A
    `has_successor` operation makes way for the deletion of its server; one that `keeps` its subject
    may begin again on the same one. One that is not `is_alone` waits for other operations, which
    somebody has to run.
    """

    name: str
    kind: str
    begin: Callable[[World], Operation]
    ended_well: Callable[[World, Operation], None]
    ended_badly: Callable[[World, Operation], None] | None = None
    has_successor: bool = True
    keeps: bool = False
    is_alone: bool = True

    def __str__(self) -> str:
        return self.name

    @property
    def definition(self) -> Kind:
        """The kind itself."""
        return kind_named(self.kind)

    @property
    def steps(self) -> list[str]:
        """The names of its steps."""
        return [step.name for step in self.definition.steps]


def _server(operation: Operation) -> Server:
    return Server.objects.get(pk=operation.subject)


# Builds


def begin_build(world: World) -> Operation:
    return operation_of(world.create())


def begin_build_that_moves_on(world: World) -> Operation:
    world.hosts["host1"].refuse("start_guest", DriverError("odd"), after=True)
    return begin_build(world)


def begin_build_that_fails(world: World) -> Operation:
    for host in world.hosts.values():
        host.refuse("define_guest", DriverError("odd"), after=True)
    return begin_build(world)


def server_runs(world: World, operation: Operation) -> None:
    """The server of a finished build is where its row says, once, with all that it needs."""
    server = _server(operation)
    assert operation.state == OperationState.DONE, operation.error
    assert (server.vm_state, server.task_state) == (VmState.ACTIVE, None)
    assert server.power_state == PowerState.RUNNING
    assert server.hypervisor is not None
    assert not BuildSlot.objects.exists()
    _assert_is_on(world, server, server.hypervisor)
    event = ServerAction.objects.get(server_id=server.pk, action="create").events.latest("id")
    assert (event.host, event.result) == (server.hypervisor.name, "Success")


def _assert_is_on(world: World, server: Server, hypervisor: Hypervisor) -> None:
    with world.hosts.opened():
        host = world.hosts[hypervisor.name]
        assert host.guests[server.pk].power_state == "running"
        assert list(host.guests) == [server.pk]
        [pool] = host.pools.values()
        own = {f"{server.pk}{end}" for end in ("-root", "-config", "_console.log")}
        assert {name for name in pool.volumes if not name.startswith("base-")} == own
        port = Port.objects.get()
        assert sorted(host.filters) == [str(port.pk)]
        entries = [entry for network in host.networks.values() for entry in network.entries]
        assert [entry.mac for entry in entries] == [port.mac_address]
    for other in Hypervisor.objects.exclude(pk=hypervisor.pk):
        assert world.left_on(other.name) == []
    assert [each.hypervisor for each in Allocation.objects.all()] == [hypervisor]
    held = dict(Reservation.objects.values_list("resource", "amount"))
    assert held == {"instances": 1, "cores": 1, "ram": 256, "ports": 1}


def build_failed(world: World, operation: Operation) -> None:
    """The server says why and has nothing on any host; ports and quota are its own as yet."""
    server = _server(operation)
    assert operation.state == OperationState.FAILED
    assert (server.vm_state, server.task_state) == (VmState.ERROR, None)
    assert server.hypervisor is None
    assert server.faults.count() == 1
    assert not Allocation.objects.exists()
    assert not BuildSlot.objects.exists()
    for name in world.hosts:
        assert world.left_on(name) == []


# Deletes


def begin_delete(world: World) -> Operation:
    server = world.make_active()
    world.delete(server)
    return operation_of(server)


def server_is_gone(world: World, operation: Operation) -> None:
    server = _server(operation)
    assert operation.state == OperationState.DONE, operation.error
    assert (server.vm_state, server.task_state) == (VmState.DELETED, None)
    assert server.deleted_at is not None
    world.settle()
    assert world.left() == []


def begin_cleanup(world: World) -> Operation:
    server = world.make_active()
    world.hosts["host1"].be_down()
    world.delete(server)
    world.work(operation_of(server))
    world.hosts["host1"].be_down(False)
    return Operation.objects.get(kind="server.cleanup", state=OperationState.PENDING)


def debt_is_paid(world: World, operation: Operation) -> None:
    assert operation.state == OperationState.DONE, operation.error
    assert world.left() == []


# Start, stop, reboot, pause, suspend

reboot_hard = partial(reboot_server, hard=True)
reboot_soft = partial(reboot_server, hard=False)
# What brings a server that runs into a state.
_INTO = {
    VmState.STOPPED: stop_server,
    VmState.PAUSED: pause_server,
    VmState.SUSPENDED: suspend_server,
}


def asking(change: Callable[..., None], vm_state: VmState) -> Callable[[World], Operation]:
    """Ask for this of a server in this state: the one that is there already, or a new one."""

    def begin(world: World) -> Operation:
        return _asked(world, _server_that_is(world, vm_state), change)

    return begin


def _server_that_is(world: World, vm_state: VmState) -> Server:
    server = Server.objects.filter(deleted_at=None).first() or world.make_active()
    if server.vm_state != vm_state:
        if server.vm_state != VmState.ACTIVE:
            world.work(_asked(world, server, reboot_hard))
        if vm_state != VmState.ACTIVE:
            world.work(_asked(world, server, _INTO[vm_state]))
    return server


def _asked(world: World, server: Server, change: Callable[..., None]) -> Operation:
    fresh = Server.objects.get(pk=server.pk)
    change(server=fresh, actor=world.actor, now=timezone.now())
    return operation_of(server)


# How the guest is, and whether it is saved, while its server is in a state.
_GUEST = {
    VmState.ACTIVE: (PowerState.RUNNING, ("running", False)),
    VmState.STOPPED: (PowerState.SHUTDOWN, ("shutdown", False)),
    VmState.PAUSED: (PowerState.PAUSED, ("paused", False)),
    VmState.SUSPENDED: (PowerState.SHUTDOWN, ("shutdown", True)),
}


def guest_is(vm_state: VmState) -> Callable[[World, Operation], None]:
    """The server, its guest and the action agree on how it is."""

    def check(world: World, operation: Operation) -> None:
        server = _server(operation)
        assert operation.state == OperationState.DONE, operation.error
        assert (server.vm_state, server.task_state) == (vm_state, None)
        assert Port.objects.count() == Allocation.objects.count() == 1
        power_state, expected = _GUEST[vm_state]
        assert server.power_state == power_state
        with world.hosts.opened():
            guest = world.hosts["host1"].guests[server.pk]
        assert (guest.power_state, guest.is_saved) == expected
        action = _newest_action(server)
        assert (action.message, [each.result for each in action.events.all()]) == ("", ["Success"])

    return check


def guest_was_interrupted(world: World, operation: Operation) -> None:
    """Once at least: what a dying worker sent cannot be told from what it did not."""
    guest_is(VmState.ACTIVE)(world, operation)
    with world.hosts.opened():
        assert world.hosts["host1"].guests[operation.subject].interrupts


def guest_stays(*vm_states: VmState) -> Callable[[World, Operation], None]:
    """A failed change leaves the server as it was or as it became, free for the next change."""

    def check(world: World, operation: Operation) -> None:
        server = _server(operation)
        assert operation.state == OperationState.FAILED
        assert server.vm_state in vm_states
        assert server.task_state is None
        assert _newest_action(server).message == "Error"

    return check


def _newest_action(server: Server) -> ServerAction:
    return ServerAction.objects.filter(server_id=server.pk).latest("started_at")


# Networks


def begin_remove_network(world: World) -> Operation:
    network = world.make_network("doomed", "10.30.0.0/24", "10.30.0.1")
    name, bridge = libvirt_network_name(network.pk), bridge_name(network.pk)
    host = Hypervisor.objects.get(name="host1")
    spec = links.NatNetworkSpec(name, bridge, network.pk, "10.30.0.0/24", "10.30.0.1")
    links.ensure_nat_network(host, spec)
    delete_network(network=network, actor=actor_named("admin"), now=timezone.now())
    return Operation.objects.get(
        kind="network.remove", state=OperationState.PENDING, params__hypervisor=host.pk
    )


def network_is_gone(world: World, operation: Operation) -> None:
    assert operation.state == OperationState.DONE, operation.error
    assert operation.params["network"]
    with world.hosts.opened():
        assert not world.hosts["host1"].networks


# Repairs


def begin_repair(world: World) -> Operation:
    """Take the DHCP entry of a server away, and have that found."""
    server = _server_that_is(world, VmState.ACTIVE)
    with world.hosts.opened():
        [network] = world.hosts["host1"].networks.values()
        network.entries.clear()
    [operation] = _repairs_of(server)
    return operation


def _repairs_of(server: Server) -> list[Operation]:
    # So long ago that no clock is in doubt about it.
    past = timezone.now() - timedelta(minutes=5)
    Operation.objects.filter(subject=server.pk).update(finished_at=past)
    Server.objects.filter(pk=server.pk).update(updated_at=past)
    look_at_host(Hypervisor.objects.get(name="host1"), refresh=False)
    found = Finding.objects.open().filter(server_id=server.pk)
    return request_repairs(found, now=timezone.now(), at_once=True)


def is_repaired(world: World, operation: Operation) -> None:
    assert operation.state == OperationState.DONE, operation.error
    _assert_whole(world, operation)


def _assert_whole(world: World, operation: Operation) -> None:
    server = _server(operation)
    assert not Finding.objects.open().filter(server_id=server.pk).exists()
    assert server.hypervisor is not None
    _assert_is_on(world, server, server.hypervisor)


def is_repaired_next_time(world: World, operation: Operation) -> None:
    """What a repair could not do is still known, and another one does it."""
    assert operation.state == OperationState.FAILED
    for again in _repairs_of(_server(operation)):
        world.work(again)
    _assert_whole(world, operation)


CASES = [
    Case("build", "server.build", begin_build, server_runs, build_failed),
    Case("second host", "server.build", begin_build_that_moves_on, server_runs, build_failed),
    Case("build that fails", "server.build", begin_build_that_fails, build_failed, build_failed),
    Case("delete", "server.delete", begin_delete, server_is_gone, has_successor=False),
    Case("cleanup", "server.cleanup", begin_cleanup, debt_is_paid, has_successor=False),
    Case(
        "start", "server.start", asking(start_server, VmState.STOPPED),
        guest_is(VmState.ACTIVE), guest_stays(VmState.STOPPED, VmState.ACTIVE), keeps=True,
    ),
    Case(
        "stop", "server.stop", asking(stop_server, VmState.ACTIVE),
        guest_is(VmState.STOPPED), guest_stays(VmState.ACTIVE, VmState.STOPPED), keeps=True,
    ),
    Case(
        "soft reboot", "server.reboot", asking(reboot_soft, VmState.ACTIVE),
        guest_is(VmState.ACTIVE), guest_stays(VmState.ACTIVE), keeps=True,
    ),
    Case(
        "hard reboot", "server.reboot_hard", asking(reboot_hard, VmState.ACTIVE),
        guest_is(VmState.ACTIVE), guest_stays(VmState.ACTIVE), keeps=True,
    ),
    Case(
        "hard reboot of a suspended one", "server.reboot_hard",
        asking(reboot_hard, VmState.SUSPENDED), guest_is(VmState.ACTIVE),
        guest_stays(VmState.ACTIVE, VmState.SUSPENDED), keeps=True,
    ),
    Case(
        "pause", "server.pause", asking(pause_server, VmState.ACTIVE),
        guest_is(VmState.PAUSED), guest_stays(VmState.ACTIVE, VmState.PAUSED), keeps=True,
    ),
    Case(
        "unpause", "server.unpause", asking(unpause_server, VmState.PAUSED),
        guest_is(VmState.ACTIVE), guest_stays(VmState.PAUSED, VmState.ACTIVE), keeps=True,
    ),
    Case(
        "suspend", "server.suspend", asking(suspend_server, VmState.ACTIVE),
        guest_is(VmState.SUSPENDED), guest_stays(VmState.ACTIVE, VmState.ERROR), keeps=True,
    ),
    Case(
        "resume", "server.resume", asking(resume_server, VmState.SUSPENDED),
        guest_is(VmState.ACTIVE), guest_stays(VmState.SUSPENDED, VmState.ERROR), keeps=True,
    ),
    Case(
        "crash dump", "server.crash_dump", asking(trigger_crash_dump, VmState.ACTIVE),
        guest_was_interrupted, guest_stays(VmState.ACTIVE), keeps=True,
    ),
    Case(
        "rebuild", "server.rebuild", reimage.begin_rebuild, reimage.is_rebuilt,
        reimage.is_as_before_or_in_error,
    ),
    Case(
        "rescue", "server.rescue", rescue.begin_rescue, rescue.is_rescued,
        rescue.stays_as_it_was,
    ),
    Case(
        "unrescue", "server.unrescue", rescue.begin_unrescue, rescue.is_back,
        rescue.is_rescued_or_lost,
    ),
    Case(
        "password", "server.change_password", rescue.begin_password, rescue.has_password,
        rescue.keeps_password,
    ),
    Case(
        "resize", "server.resize", resize.begin_resize, resize.is_resized, resize.stays_as_it_was,
    ),
    Case(
        "resize in place", "server.resize", resize.begin_in_place, resize.is_resized,
        resize.stays_as_it_was,
    ),
    Case("confirm", "server.confirm_resize", resize.begin_confirm, resize.is_confirmed),
    Case(
        "confirm in place", "server.confirm_resize", resize.begin_confirm_in_place,
        resize.is_confirmed,
    ),
    Case(
        "revert", "server.revert_resize", resize.begin_revert, resize.is_as_it_was,
        resize.is_resized_or_back_in_error,
    ),
    Case(
        "revert in place", "server.revert_resize", resize.begin_revert_in_place,
        resize.is_as_it_was, resize.is_resized_or_back_in_error,
    ),
    Case(
        "repair", "integrity.repair", begin_repair, is_repaired, is_repaired_next_time, keeps=True,
    ),
    Case(
        "attach interface", "server.attach_interface", interfaces.begin_attach,
        interfaces.is_plugged, interfaces.is_given_back,
    ),
    Case(
        "detach interface", "server.detach_interface", interfaces.begin_detach,
        interfaces.is_unplugged, interfaces.may_be_taken_again,
    ),
    Case(
        "interface debt", "server.unplug_interface", interfaces.begin_debt,
        interfaces.debt_is_paid, has_successor=False,
    ),
    Case(
        "live migration", "server.live_migrate", migrate.begin_live, migrate.has_moved,
        migrate.runs_somewhere, keeps=True,
    ),
    Case(
        "evacuation", "server.evacuate", migrate.begin_evacuation, migrate.has_left,
        migrate.stays_or_is_new,
    ),
    Case(
        "image", "server.snapshot", of_servers.begin_image_of(VmState.ACTIVE),
        of_servers.image_is_there, of_servers.no_image, keeps=True,
    ),
    Case(
        "image of a stopped one", "server.snapshot", of_servers.begin_image_of(VmState.STOPPED),
        of_servers.image_is_there, of_servers.no_image, keeps=True,
    ),
    Case(
        "backup", "server.snapshot", of_servers.begin_backup,
        of_servers.image_is_there, of_servers.no_image, keeps=True,
    ),
    Case(
        "copy owed", "server.drop_copy", of_servers.begin_debt, of_servers.copy_is_gone,
        has_successor=False,
    ),
    Case(
        "shelve", "server.shelve", of_servers.begin_shelve,
        of_servers.is_offloaded, of_servers.is_not_shelved,
    ),
    Case(
        "shelve to wait", "server.shelve", of_servers.begin_shelve_on_host,
        of_servers.is_shelved, of_servers.is_not_shelved,
    ),
    Case("offload", "server.shelve_offload", of_servers.begin_offload, of_servers.is_offloaded),
    Case(
        "unshelve", "server.unshelve", of_servers.begin_unshelve,
        of_servers.is_back, of_servers.stays_offloaded,
    ),
    Case(
        "unshelve where it is", "server.unshelve_start", of_servers.begin_start,
        of_servers.is_back, of_servers.stays_shelved,
    ),
    Case(
        "rewire", "server.rewire", interfaces.begin_rewire, interfaces.has_its_addresses,
        interfaces.addresses_stay,
    ),
    Case(
        "spread groups", "network.spread_changes", groups.begin_spread, groups.filters_follow,
        has_successor=False,
    ),
    Case(
        "apply filters", "network.apply_filters", groups.begin_apply, groups.filters_follow,
        has_successor=False,
    ),
    Case(
        "place floating IPs", "network.place_floating_ips", floating.begin_place,
        floating.it_is_there, has_successor=False,
    ),
    Case(
        "apply floating IPs", "network.apply_floating_ips", floating.begin_apply,
        floating.it_is_there, has_successor=False,
    ),
    Case(
        "apply networks", "network.apply_networks", networks.begin_apply, networks.one_is_there,
        has_successor=False,
    ),
    Case(
        "precache", "image.precache", precache.begin, precache.image_is_there,
        precache.no_half_image, has_successor=False,
    ),
    Case(
        "download", "image.import", imports.begin_download, imports.is_active,
        imports.waits_again, has_successor=False,
    ),
    Case(
        "staged import", "image.import", imports.begin_staged, imports.is_active,
        imports.waits_again, has_successor=False,
    ),
    Case(
        "fence", "hypervisor.fence", fences.begin, fences.host_is_fenced, has_successor=False
    ),
    Case(
        "volume", "volume.create", volumes.begin_create, volumes.is_there, volumes.stays_in_error,
        has_successor=False,
    ),
    Case(
        "volume delete", "volume.delete", volumes.begin_delete, volumes.is_gone,
        has_successor=False,
    ),
    Case(
        "volume extend", "volume.extend", volumes.begin_extend, volumes.has_grown,
        volumes.has_its_old_size, has_successor=False,
    ),
    Case(
        "snapshot", "snapshot.create", volumes.begin_snapshot,
        volumes.snapshot_is(True, "available"), volumes.snapshot_is(False, "error"),
        has_successor=False,
    ),
    Case(
        "snapshot delete", "snapshot.delete", volumes.begin_delete_snapshot,
        volumes.snapshot_is(False, ""), has_successor=False,
    ),
    Case(
        "volume to image", "volume.upload", volumes.begin_upload, volumes.image_is_made,
        volumes.image_is_not_made, has_successor=False,
    ),
    Case(
        "volume in use to image", "volume.upload", volumes.begin_upload_in_use,
        volumes.image_is_made, volumes.image_is_not_made, has_successor=False,
    ),
    Case(
        "revert", "volume.revert", volumes.begin_revert, volumes.is_as_then,
        volumes.may_be_reverted_again, has_successor=False,
    ),
    Case(
        "revert of one that moved", "volume.revert", volumes.begin_revert_of_moved,
        volumes.is_as_then, volumes.may_be_reverted_again, has_successor=False,
    ),
    Case(
        "attach", "volume.attach", volumes.begin_attach, volumes.is_attached, volumes.is_free,
        has_successor=False,
    ),
    Case(
        "attach from elsewhere", "volume.attach", volumes.begin_attach_from_elsewhere,
        volumes.is_attached, volumes.is_free, has_successor=False,
    ),
    Case(
        "detach", "volume.detach", volumes.begin_detach, volumes.is_free_and_done,
        volumes.is_attached_still, has_successor=False,
    ),
    Case(
        "release", "volume.release", volumes.begin_release, volumes.is_free_and_done,
        has_successor=False,
    ),
    Case(
        "adopt", "server.adopt", adopt.begin_adoption, adopt.is_adopted,
        adopt.says_why_it_is_not, has_successor=False,
    ),
    Case(
        "let go", "server.release", adopt.begin_release, adopt.is_released, has_successor=False,
    ),
    Case("mark owed", "server.unmark", adopt.begin_debt, adopt.debt_is_paid, has_successor=False),
    Case(
        "network", "network.remove", begin_remove_network, network_is_gone, has_successor=False,
    ),
    Case(
        "project", "project.remove", projects.begin, projects.nothing_is_left,
        has_successor=False, is_alone=False,
    ),
]  # fmt: skip
# One of each kind, where it is the step and not the way there that is tried.
PLAIN_CASES = list({case.kind: case for case in reversed(CASES)}.values())[::-1]

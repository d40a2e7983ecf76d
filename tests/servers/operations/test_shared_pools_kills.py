"""A worker dies at any moment while a server moves in a shared store: no byte of it is lost."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from itertools import count

import pytest
from django.utils import timezone

from flavors.models import Flavor
from hypervisors.models import Hypervisor
from operations.models import UNFINISHED, Operation
from scheduling.models import Allocation
from servers.delete import delete_server
from servers.evacuation import Evacuation, evacuate_server
from servers.live_migration import LiveMove, live_migrate_server
from servers.models import Server
from servers.resize import confirm_resize, resize_server, revert_resize
from servers.states import VmState
from tests.authorisation import actor_named
from tests.hypervisors.clean_slate import leftovers
from tests.hypervisors.fake_pools import FakePool
from tests.servers.operations.shared_store import shared_store

pytestmark = pytest.mark.django_db(transaction=True)

ADMIN = dataclasses.replace(actor_named("admin"), request_id="req-kills")
MANAGER = dataclasses.replace(actor_named("manager"), request_id="req-kills")
# All moments take two minutes; each run tries other ones.
EVERY = 6


class Killed(BaseException):
    """The worker is no more."""


class Kill:
    """Dies once, at the point of this number."""

    def __init__(self, number: int) -> None:
        self._left = number
        self.point = ""

    def __call__(self, point: str) -> None:
        self._left -= 1
        if self._left == -1:
            self.point = point
            raise Killed(point)


@pytest.fixture
def store(hosts) -> FakePool:
    return shared_store(hosts)


@pytest.fixture
def big(flavor) -> Flavor:
    return Flavor.objects.create(
        flavorid="9", name="m1.big", vcpus=2, ram_mib=512, disk_gib=2, extra_specs={}
    )


@pytest.fixture
def settle(work):
    def run() -> None:
        for _ in range(20):
            rows = Operation.objects.filter(state__in=UNFINISHED).order_by("created_at")
            subjects = list(rows.values_list("subject", flat=True))
            if not subjects:
                return
            for subject in subjects:
                work(subject)
        raise AssertionError("it does not end")

    return run


def live(server: Server) -> None:
    live_migrate_server(server=server, move=LiveMove(), actor=ADMIN, now=timezone.now())


def evacuate(server: Server) -> None:
    """From a host that is said to be dead, and answers all the same."""
    assert server.hypervisor is not None
    Hypervisor.objects.filter(pk=server.hypervisor.pk).update(is_forced_down=True)
    server = Server.objects.select_related("hypervisor").get(pk=server.pk)
    evacuate_server(server=server, wanted=Evacuation(), actor=ADMIN, now=timezone.now())


def resize(server: Server) -> None:
    resize_server(server=server, flavor_id="9", disk_config="", actor=MANAGER, now=timezone.now())


def confirm(server: Server) -> None:
    confirm_resize(server=server, actor=MANAGER, now=timezone.now())


def revert(server: Server) -> None:
    revert_resize(server=server, actor=MANAGER, now=timezone.now())


@pytest.mark.parametrize(
    ("before", "ask"),
    [(None, live), (None, evacuate), (None, resize), (resize, confirm), (resize, revert)],
    ids=["live migration", "evacuation", "resize", "confirm", "revert"],
)
def test_the_disk_outlives_a_worker_that_dies_anywhere(
    hosts, store, create, settle, big, before: Callable | None, ask: Callable
):
    for number in count(random.randrange(EVERY), EVERY):
        server = make(store, create, settle)
        if before is not None:
            before(server)
            settle()
            server.refresh_from_db()
        kill = Kill(number)
        ask(Server.objects.select_related("hypervisor").get(pk=server.pk))
        hosts.watch(kill)
        try:
            settle()
        except Killed:
            hosts.watch(None)
            settle()
        hosts.watch(None)

        assert_whole(hosts, store, server, kill.point)
        clear(server, settle)
        assert not [name for name in store.volumes if str(server.pk) in name], kill.point
        if not kill.point:
            return


def make(store: FakePool, create, settle) -> Server:
    made = create(options={"store_id": "fast"})
    settle()
    server = Server.objects.select_related("hypervisor").get(pk=made.pk)
    assert server.vm_state == VmState.ACTIVE
    store.volumes[f"{server.pk}-root"].content = b"written"
    return server


def assert_whole(hosts, store: FakePool, server: Server, point: str) -> None:
    """It runs at one host, with what it wrote, and nothing of it is on the other one."""
    server.refresh_from_db()
    assert server.hypervisor is not None
    assert (server.task_state, server.vm_state) in (
        (None, VmState.ACTIVE),
        (None, VmState.RESIZED),
    ), point
    assert store.volumes[f"{server.pk}-root"].content == b"written", point
    running = [
        name
        for name, host in hosts.items()
        if server.pk in host.guests and host.guests[server.pk].power_state == "running"
    ]
    assert running == [server.hypervisor.name], point
    if server.vm_state == VmState.ACTIVE:
        assert not [each for each in store.volumes if f"{server.pk}-before" in each], point
        for name, host in hosts.items():
            assert name == server.hypervisor.name or not leftovers(host), point
        held = [each.hypervisor_id for each in Allocation.objects.all()]
        assert held == [server.hypervisor_id], point


def clear(server: Server, settle) -> None:
    Hypervisor.objects.update(is_forced_down=False)
    delete_server(
        server=Server.objects.get(pk=server.pk), actor=actor_named("member"), now=timezone.now()
    )
    settle()

"""A host with servers that is to be drained, two others, and keepers and workers by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from hypervisors.models import Hypervisor
from maintenance.carry import carry_on_drains
from maintenance.drain import DrainWish, plan_drain, start_drain
from maintenance.models import Drain, DrainItem
from maintenance.states import DrainState
from operations.models import UNFINISHED, Operation
from servers.models import Server
from servers.states import VmState
from tests.authorisation import actor_named
from tests.hypervisors.fake_host import FakeHosts, make_hypervisor
from tests.servers.conftest import (  # noqa: F401 - fixtures
    active,
    flavor,
    host,
    image,
    network,
    now,
    parts,
    wanted,
)
from tests.servers.operations.conftest import (  # noqa: F401 - fixtures
    create,
    hosts,
    image_file,
    one_host,
    wake,
    work,
)

ADMIN = actor_named("admin")


@dataclass
class Site:
    """Hosts host1, host2 and host3, and the servers, which are all on host1."""

    hosts: FakeHosts
    servers: list[Server]
    clock: datetime = field(default_factory=timezone.now)

    @property
    def source(self) -> Hypervisor:
        """The host to be drained, as it is now."""
        return Hypervisor.objects.get(name="host1")

    def plan(self, **wish) -> Drain:
        """Work a plan out."""
        return plan_drain(
            hypervisor=self.source, wish=DrainWish(**wish), actor=ADMIN, now=self.clock
        )

    def start(self, **wish) -> Drain:
        """Work a plan out and start it."""
        self.plan(**wish)
        return start_drain(hypervisor=self.source, actor=ADMIN, now=self.clock)

    def turn(self, later_s: float = 3.0) -> None:
        """A keeper's turn, so much later."""
        self.clock += timedelta(seconds=later_s)
        carry_on_drains(self.clock)

    def run(self, turns: int = 30) -> None:
        """Keepers and workers until the plan is done, or for so long that nothing changes."""
        for _ in range(turns):
            self.turn()
            run_everything()
            if not Drain.objects.exclude(state=DrainState.DONE).exists():
                return

    def item(self, server: Server) -> DrainItem:
        """The server's place in the newest plan."""
        return DrainItem.objects.filter(server=server).latest("pk")

    def states(self) -> list[str]:
        """How far each server is."""
        return [self.item(server).state for server in self.servers]

    def places(self) -> list[str]:
        """Where each server is."""
        rows = Server.objects.select_related("hypervisor")
        found = [rows.get(pk=server.pk).hypervisor for server in self.servers]
        return [each.name if each else "" for each in found]

    def moves(self) -> list[Operation]:
        """The moves under way."""
        kinds = ("server.live_migrate", "server.resize")
        return list(Operation.objects.filter(kind__in=kinds, state__in=UNFINISHED))


def run_everything(wake_ups: int = 200) -> None:
    """Run what is unfinished as workers would."""
    for _ in range(wake_ups):
        operation = Operation.objects.filter(state__in=UNFINISHED).order_by("wake_at").first()
        if operation is None:
            return
        wake(operation)


@pytest.fixture
def site(hosts, one_host, create, work) -> Site:  # noqa: F811 - fixtures
    servers = [create(name=f"web{number}") for number in range(3)]
    for server in servers:
        work(server.pk)
    make_hypervisor(hosts, "host2", ram_mib=8192)
    make_hypervisor(hosts, "host3", ram_mib=4096)
    return Site(hosts, [Server.objects.get(pk=server.pk) for server in servers])


@pytest.fixture
def switched_off(site):
    """Let a server of the site be off, on its host as well."""

    def switch(server: Server) -> None:
        guest = site.hosts["host1"].guests[server.pk]
        guest.power_state = "shutdown"
        Server.objects.filter(pk=server.pk).update(vm_state=VmState.STOPPED, power_state=4)

    return switch

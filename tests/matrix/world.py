"""A small cloud on fake hosts in which operations are tried, again and again."""

from __future__ import annotations

import dataclasses
import hashlib
import uuid
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.utils import timezone

from flavors.models import Flavor
from hypervisors.disks import BASE_PREFIX
from hypervisors.models import BuildSlot, CachedImage, Hypervisor
from identity.actors import Actor
from images.delete import remove_image
from images.models import Image, ImageStatus, Visibility
from images.storage import image_path
from networks.models import FixedIP, Network, Port, Subnet
from operations import engine
from operations.models import UNFINISHED, Operation
from quotas.models import Reservation
from scheduling.models import Allocation
from servers.create import create_servers
from servers.delete import delete_server
from servers.models import Server, ServerEvent
from servers.wanted import CreateServers
from tests.authorisation import OWN_PROJECT, actor_named
from tests.hypervisors.clean_slate import leftovers
from tests.hypervisors.fake_host import FakeHosts, make_hypervisor
from tests.matrix.clear import clear_volumes, let_adopted_go

CONTENT = b"the bytes of an image"
GIB = 1024**3
# More wake-ups than any operation needs, with all its retries.
PATIENCE = 60


def wake(operation: Operation) -> None:
    """One wake-up, on the queue that the operation waits for, after its pause or lease."""
    past = timezone.now() - timedelta(seconds=1)
    rows = Operation.objects.filter(pk=operation.pk)
    rows.update(wake_at=past)
    rows.exclude(lease_until=None).update(lease_until=past)
    engine.run(operation.pk, queue=rows.values_list("queue", flat=True).get())


class World:
    """Two hosts, of which the first is preferred, a flavor, an image and a network."""

    # Whether others' operations go on while one is worked at, for one that waits for them.
    has_other_workers = False

    def __init__(self, hosts: FakeHosts) -> None:
        self.hosts = hosts
        make_hypervisor(hosts, "host1")
        make_hypervisor(hosts, "host2", ram_mib=8192)
        self.flavor = Flavor.objects.create(
            flavorid="1", name="m1.tiny", vcpus=1, ram_mib=256, disk_gib=1, extra_specs={}
        )
        self.image = Image.objects.create(
            name="tiny",
            owner=OWN_PROJECT,
            status=ImageStatus.ACTIVE,
            visibility=Visibility.PUBLIC,
            disk_format="qcow2",
            container_format="bare",
            size=len(CONTENT),
            virtual_size=GIB // 2,
            sha256=hashlib.sha256(CONTENT).hexdigest(),
        )
        image_path(self.image).parent.mkdir(parents=True, exist_ok=True)
        image_path(self.image).write_bytes(CONTENT)
        self.network = self.make_network("private", "10.20.0.0/22", "10.20.0.1")

    def make_network(self, name: str, cidr: str, gateway: str) -> Network:
        """A network of the actor's project with one subnet, which counts against no quota."""
        network = Network.objects.create(name=name, project_id=OWN_PROJECT)
        Subnet.objects.create(
            network=network,
            name=name,
            project_id=OWN_PROJECT,
            cidr=cidr,
            gateway_ip=gateway,
            allocation_pools=[[f"{gateway[:-1]}10", f"{gateway[:-1]}250"]],
        )
        return network

    # Asking

    @property
    def actor(self) -> Actor:
        """A member of the project, with a request of its own each time."""
        return dataclasses.replace(actor_named("member"), request_id=f"req-{uuid.uuid4()}")

    def create(self) -> Server:
        """Ask for a server with everything; its build waits to be run."""
        wanted = CreateServers(
            name="web", flavor_id="1", image_id=self.image.pk, config_drive=True, networks="auto"
        )
        [server] = create_servers(wanted=wanted, actor=self.actor, now=timezone.now())
        return server

    def make_active(self) -> Server:
        """A server that runs on the first host."""
        server = self.create()
        self.work(operation_of(server))
        made = Server.objects.get(pk=server.pk)
        assert made.hypervisor is not None
        assert made.hypervisor.name == "host1"
        return made

    def delete(self, server: Server) -> None:
        """Ask for a server's end."""
        delete_server(server=Server.objects.get(pk=server.pk), actor=self.actor, now=timezone.now())

    # Working

    def work(self, operation: Operation, *, wake_ups: int = PATIENCE) -> Operation:
        """Run one operation as workers and keeper would, without their pauses, while it goes on."""
        for _ in range(wake_ups):
            if not Operation.objects.filter(pk=operation.pk, state__in=UNFINISHED).exists():
                break
            wake(operation)
            if self.has_other_workers:
                for other in Operation.objects.filter(state__in=UNFINISHED).exclude(
                    pk=operation.pk
                ):
                    wake(other)
        return Operation.objects.get(pk=operation.pk)

    def settle(self) -> None:
        """Run all that is unfinished, debts too, until nothing is."""
        for _ in range(PATIENCE):
            unfinished = list(Operation.objects.filter(state__in=UNFINISHED).order_by("created_at"))
            if not unfinished:
                return
            for operation in unfinished:
                wake(operation)
        raise AssertionError(f"These operations never end: {_described(unfinished)}")

    def renew(self) -> None:
        """As at first: no server, no image on the hosts, and nobody remembers a failure."""
        for host in self.hosts.values():
            host.heal()
        let_adopted_go(self.settle)
        for server in Server.objects.filter(deleted_at=None):
            self.delete(server)
        self.settle()
        clear_volumes(self.actor, self.settle)
        for image in Image.objects.exclude(pk=self.image.pk).exclude(status=ImageStatus.DELETED):
            remove_image(image.pk, now=timezone.now())
        CachedImage.objects.all().delete()
        Hypervisor.objects.update(build_failures=0)
        with self.hosts.opened():
            for host in self.hosts.values():
                host.networks.clear()
                for foreign in host.foreign:
                    del host.guests[foreign]
                host.foreign.clear()
                for pool in host.pools.values():
                    pool.volumes.clear()

    # Looking

    def left(self) -> list[str]:
        """What is there beside what was there at first and the rows of servers."""
        found = [
            f"{type(row).__name__} {row}"
            for rows in (Port, FixedIP, Allocation, Reservation, BuildSlot)
            for row in _all(rows)
        ]
        found += [f"unfinished {_described([each])}" for each in _unfinished()]
        found += [f"upload of {row.volume}" for row in CachedImage.objects.exclude(uploader=None)]
        for hypervisor in Hypervisor.objects.all():
            used = (hypervisor.vcpus_used, hypervisor.ram_mib_used, hypervisor.disk_gib_used)
            found += [f"{hypervisor}: counted {used}"] if any(used) else []
            found += [f"{hypervisor}: {each}" for each in self.left_on(hypervisor.name)]
        return found

    def left_on(self, name: str) -> list[str]:
        """What servers left on a host, half an upload too."""
        with self.hosts.opened():
            host = self.hosts[name]
            assert not host.is_down, f"{name} cannot be asked"
            found = leftovers(host)
            names = {volume for pool in host.pools.values() for volume in pool.volumes}
        bases = {each for each in names if each.startswith(BASE_PREFIX)}
        bases -= {each for each in bases if each.endswith(".verified")}
        return found + [f"half of {each}" for each in bases if f"{each}.verified" not in names]

    def snapshot(self) -> dict[str, Any]:
        """What a repetition must not change: counts and names, no times."""
        with self.hosts.opened():
            on_hosts = {name: _contents(host) for name, host in self.hosts.items()}
        return {
            "hosts": on_hosts,
            "servers": list(
                Server.objects.order_by("id").values_list(
                    "id", "vm_state", "task_state", "power_state", "hypervisor"
                )
            ),
            "allocations": sorted(map(str, Allocation.objects.values_list("server_id", "vcpus"))),
            "ports": list(Port.objects.order_by("id").values_list("id", "status", "host")),
            "addresses": list(FixedIP.objects.order_by("id").values_list("id", "address")),
            "quota": list(Reservation.objects.order_by("id").values_list("resource", "amount")),
            "slots": BuildSlot.objects.count(),
            "events": Counter(ServerEvent.objects.values_list("action_id", "event", "host")),
            "operations": sorted(map(str, Operation.objects.values_list("id", "state"))),
            "counters": list(
                Hypervisor.objects.order_by("name").values_list(
                    "name", "vcpus_used", "ram_mib_used", "disk_gib_used"
                )
            ),
        }


def operation_of(server: Server) -> Operation:
    """The newest operation on a server."""
    return Operation.objects.filter(subject=server.pk).latest("created_at")


def _all(model: Any) -> Iterable[Any]:
    return (
        model.objects.exclude(subject__in=_wanted())
        if model is Reservation
        else model.objects.all()
    )


def _wanted() -> list[uuid.UUID]:
    """Images of servers that somebody asked for: they outlive their servers."""
    made = Operation.objects.filter(kind="server.snapshot").values_list("params__image", flat=True)
    whole = Image.objects.filter(pk__in=[uuid.UUID(each) for each in made])
    return list(whole.filter(status=ImageStatus.ACTIVE).values_list("pk", flat=True))


def _unfinished() -> Iterable[Operation]:
    return Operation.objects.filter(state__in=UNFINISHED)


def _described(operations: Iterable[Operation]) -> str:
    return "; ".join(
        f"{each.kind} {each.state} at step {each.cursor}, try {each.attempt}, {each.error}"
        for each in operations
    )


def _contents(host: Any) -> dict[str, Any]:
    return {
        "guests": {
            str(key): (guest.power_state, guest.is_saved) for key, guest in host.guests.items()
        },
        "networks": {name: sorted(map(str, each.entries)) for name, each in host.networks.items()},
        "filters": sorted(host.filters),
        "volumes": {name: sorted(pool.volumes) for name, pool in host.pools.items()},
    }

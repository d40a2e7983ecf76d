"""A small cloud in the database for the pages to show: people, and servers in all states."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from flavors.models import Flavor
from hypervisors.models import HostState, Hypervisor
from identity.models import Domain, Project, Role, RoleAssignment, User
from images.models import Image, ImageStatus, Visibility
from networks.models import FixedIP, Network, Port, Subnet
from operations.models import Operation, OperationState, StepRecord
from quotas.models import Reservation
from scheduling.models import Decision
from servers.models import KeyPair, Server, ServerAction, ServerEvent, ServerFault
from servers.states import PowerState, TaskState, VmState

PASSWORD = "a password for tests"
PUBLIC_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKlGpEmWeJqtGJmqcnpMUnA2oX1s2ZyJc6j5S2Sm1z5F demo@laptop"
)
MIB = 1024**2
DECISION = {
    "candidates": 3,
    "chosen": "alpha",
    "alternates": ["beta"],
    "request_id": "req-0f0f0f0f-1111-2222-3333-444444444444",
    "summary": "3 hosts asked, 1 removed by resources; alpha has the most memory free.",
    "filters": [
        {
            "name": "up_and_enabled",
            "question": "Does the host answer, and is it enabled?",
            "removed": 0,
            "hosts": [],
            "left": 3,
        },
        {
            "name": "resources",
            "question": "Are enough vCPUs, memory and disk free?",
            "removed": 1,
            "hosts": ["gamma"],
            "left": 2,
        },
    ],
    "weights": [
        {"host": "alpha", "total": 2.0, "weights": {"ram": 1.0, "cpu": 1.0}},
        {"host": "beta", "total": 0.75, "weights": {"ram": 0.25, "cpu": 0.5}},
    ],
}


@dataclass
class World:
    """What there is."""

    demo: Project
    other: Project
    member: User
    reader: User
    admin: User
    outsider: User
    flavor: Flavor
    image: Image
    network: Network
    host: Hypervisor

    def server(self, name: str = "web", *, project: Project | None = None, **fields) -> Server:
        """A server, ACTIVE unless `fields` say otherwise, on the host, with an address."""
        project = project or self.demo
        identifier = uuid.uuid4()
        defaults = {
            "vm_state": VmState.ACTIVE,
            "power_state": PowerState.RUNNING,
            "hostname": name,
            "flavor": self.flavor.snapshot(),
            "image_id": self.image.pk,
            "hypervisor": self.host,
            "launched_at": timezone.now(),
            "reservation_id": "r-abcd1234",
        }
        server = Server.objects.create(
            id=identifier,
            name=name,
            project_id=project.id,
            user_id=self.member.id,
            **{**defaults, **fields},
        )
        count = FixedIP.objects.count()
        port = Port.objects.create(
            network=self.network,
            project_id=project.id,
            device_id=str(identifier),
            mac_address=f"fa:16:3e:00:{count // 256:02x}:{count % 256:02x}",
        )
        FixedIP.objects.create(
            port=port,
            subnet=self.network.subnets.get(),
            address=f"10.20.{count // 200}.{count % 200 + 10}",
        )
        return server


def make_world() -> World:
    """Projects, people and what servers are made of."""
    domain, _ = Domain.objects.get_or_create(id="default", defaults={"name": "Default"})
    demo, other = (Project.objects.create(domain=domain, name=name) for name in ("demo", "other"))
    people = {
        name: User.objects.create_user(name, PASSWORD, domain=domain)
        for name in ("demo", "reader", "outsider")
    }
    admin = User.objects.create_superuser("admin", PASSWORD, domain=domain)
    roles = {
        name: Role.objects.get_or_create(name=name)[0] for name in ("admin", "member", "reader")
    }
    for user, project, role in [
        (people["demo"], demo, "member"),
        (people["reader"], demo, "reader"),
        (people["outsider"], other, "member"),
        (admin, demo, "admin"),
        (admin, other, "admin"),
    ]:
        RoleAssignment.objects.create(user=user, project=project, role=roles[role])
    flavor = Flavor.objects.create(flavorid="1", name="m1.tiny", vcpus=1, ram_mib=256, disk_gib=1)
    image = Image.objects.create(
        name="tiny",
        owner=demo.id,
        status=ImageStatus.ACTIVE,
        visibility=Visibility.PUBLIC,
        disk_format="qcow2",
        container_format="bare",
        size=38 * MIB,
        virtual_size=512 * MIB,
    )
    network = Network.objects.create(name="private", project_id=demo.id, is_shared=True)
    Subnet.objects.create(
        network=network,
        name="private",
        project_id=demo.id,
        cidr="10.20.0.0/16",
        gateway_ip="10.20.0.1",
        allocation_pools=[["10.20.0.10", "10.20.255.250"]],
    )
    host = Hypervisor.objects.create(
        name="alpha", uri="qemu+ssh://root@alpha/system", state=HostState.UP, vcpus=8, ram_mib=16384
    )
    return World(
        demo, other, people["demo"], people["reader"], admin, people["outsider"],
        flavor, image, network, host,
    )  # fmt: skip


def fill(world: World) -> dict[str, Server]:
    """Servers in every state, with what belongs to them; by name."""
    now = timezone.now()
    for position, (name, vcpus, ram_mib, disk_gib) in enumerate(
        [("m1.small", 1, 2048, 20), ("m1.medium", 2, 4096, 40), ("m1.xlarge", 16, 32768, 160)]
    ):
        Flavor.objects.create(
            flavorid=str(position + 2), name=name, vcpus=vcpus, ram_mib=ram_mib, disk_gib=disk_gib
        )
    debian = Image.objects.create(
        name="debian-12-generic", owner=world.demo.id, status=ImageStatus.ACTIVE,
        visibility=Visibility.PUBLIC, disk_format="qcow2", container_format="bare",
        size=416 * MIB, virtual_size=3072 * MIB, min_disk_gib=3, min_ram_mib=512,
    )  # fmt: skip
    small, medium = (Flavor.objects.get(name=name).snapshot() for name in ("m1.small", "m1.medium"))
    KeyPair.objects.create(
        user_id=world.member.id, name="laptop", public_key=PUBLIC_KEY,
        fingerprint="5f:7c:1e:2b:9a:44:d0:8c:13:aa:67:2d:90:fe:31:b8",
    )  # fmt: skip
    made = {
        "web-1": world.server(
            "web-1", flavor=small, image_id=debian.pk, key_name="laptop", has_config_drive=True,
            created_at=now - timedelta(days=12), metadata={"role": "frontend", "owner": "team-a"},
            tags=["production", "eu"],
        ),
        "web-2": world.server(
            "web-2", flavor=small, image_id=debian.pk, created_at=now - timedelta(days=13)
        ),
        "database": world.server(
            "database", flavor=medium, image_id=debian.pk, task_state=TaskState.REBOOTING,
            created_at=now - timedelta(days=3),
        ),
        "batch": world.server(
            "batch", vm_state=VmState.STOPPED, power_state=PowerState.SHUTDOWN,
            created_at=now - timedelta(hours=20),
        ),
        "too-large": world.server(
            "too-large", vm_state=VmState.ERROR, hypervisor=None, launched_at=None,
            created_at=now - timedelta(minutes=42),
        ),
        "build-agent-with-a-rather-long-name-7": world.server(
            "build-agent-with-a-rather-long-name-7", vm_state=VmState.BUILDING,
            task_state=TaskState.SPAWNING, launched_at=None, created_at=now - timedelta(seconds=9),
        ),
    }  # fmt: skip
    ServerFault.objects.create(
        server=made["too-large"],
        message="No valid host was found. The resources filter removed all 3 hosts.",
        details="resources: alpha (needs 32768 MiB of memory, 15872 free)",
    )
    for server in made.values():
        Reservation.objects.bulk_create(
            Reservation(project_id=world.demo.id, resource=name, amount=amount, subject=server.pk)
            for name, amount in [
                ("instances", 1),
                ("cores", server.flavor["vcpus"]),
                ("ram", server.flavor["ram_mib"]),
            ]
        )
        _record_build(world, server, now)
    Decision.objects.create(server_id=made["web-1"].pk, **DECISION)
    return made


def _record_build(world: World, server: Server, now: datetime) -> None:
    request_id = f"req-{uuid.uuid4()}"
    started_at = server.created_at
    is_building = server.vm_state == VmState.BUILDING
    is_failed = server.vm_state == VmState.ERROR
    action = ServerAction.objects.create(
        server_id=server.pk, action="create", request_id=request_id, started_at=started_at,
        user_id=world.member.id, project_id=server.project_id, message="Error" if is_failed else "",
    )  # fmt: skip
    ServerEvent.objects.create(
        action=action, event="compute__do_build_and_run_instance", host="alpha",
        started_at=started_at,
        finished_at=None if is_building else started_at + timedelta(seconds=1.2),
        result="" if is_building else "Error" if is_failed else "Success",
    )  # fmt: skip
    operation = Operation.objects.create(
        kind="server.build", subject=server.pk, request_id=request_id, created_at=started_at,
        state=OperationState.RUNNING if is_building else OperationState.DONE,
        finished_at=None if is_building else started_at + timedelta(seconds=1.2),
        cursor=2 if is_building else 6,
    )  # fmt: skip
    names = ["claim_host", "plug_ports", "create_disks", "define_guest", "start_guest"]
    for position, name in enumerate(names[:3] if is_building else names):
        runs = is_building and position == 2
        begun_at = now if runs else started_at + timedelta(seconds=0.2 * position)
        StepRecord.objects.create(
            operation=operation, step=name, direction="do", started_at=begun_at,
            finished_at=None if runs else begun_at + timedelta(seconds=0.11 * (position + 1)),
            result="" if runs else "Success",
        )  # fmt: skip

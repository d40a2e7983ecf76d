"""One of everything that the compute API shows, or many, made without a real host.

    world = make_world(3)
    client_as("member").get(world.path("servers/{server_id}"))

Everything belongs to `OWN_PROJECT` and `OWNER`. The world says what each variable of a route is, so
a test over all routes needs nothing of its own; a route that needs another thing than the variable
says has a line in `_OF_ROUTE`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote

from flavors.models import Flavor
from hypervisors.models import Aggregate, Hypervisor
from identity.models import Domain, Project
from images.models import Image, ImageStatus, Visibility
from maintenance.models import Drain, DrainItem
from maintenance.states import Way
from networks.models import Network, Port, SecurityGroup, SecurityGroupRule, Subnet
from operations.models import Operation, OperationState, StepRecord, StepResult
from quotas.set_limits import set_project_limits
from servers.create import create_servers
from servers.models import KeyPair, Migration, Server, ServerAction, ServerEvent, ServerGroup
from servers.states import MigrationStatus, MigrationType, VmState
from servers.wanted import CreateServers
from tests.authorisation import FOREIGN_PROJECT, OWN_PROJECT, OWNER, actor_named
from tests.flavors.factories import make_flavor
from tests.hypervisors.factories import make_hypervisor

NOW = datetime(2026, 5, 4, 12, 30, 15, 123456, UTC)
BASE = "/compute/v2.1/"
REQUEST_ID = "req-00000000-0000-4000-8000-000000000001"
PUBLIC_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJr0pTm8dXTzYJ0Wm9hQ1uAT2q0VbY1Yv3gmWmDkbmXh owner@home"
)
# Routes whose variable means another thing than it does elsewhere, by how they begin.
_ELSEWHERE = {
    "flavors/{flavor_id}/os-flavor-access": {"flavor_id": "private"},
    "flavors/{flavor_id}/action": {"flavor_id": "private"},
    "os-keypairs/": {"name": "key1"},
    "os-hosts/": {"name": "host1"},
    "os-volumes/": {"key": "volume_id"},
    "os-snapshots/": {"key": "snapshot_id"},
    "os-security-groups/": {"group_id": "security_group_id"},
    "os-aggregates/{aggregate_id}": {"aggregate_id": "empty_aggregate_id"},
}
NOTHING = "00000000-0000-4000-8000-00000000dead"
_VARIABLE = re.compile(r"{(\w+)}")


@dataclass
class World:
    """What was made, and what the variables of routes are."""

    flavors: list[Flavor]
    image: Image
    network: Network
    hosts: list[Hypervisor]
    aggregates: list[Aggregate]
    servers: list[Server]
    groups: list[ServerGroup]
    names: dict[str, str] = field(default_factory=dict)

    def path(self, route: str) -> str:
        """The address of a route without its prefix; `NOTHING` is where nothing is known."""
        names = self.names
        for start, others in _ELSEWHERE.items():
            if route.startswith(start):
                names = names | {key: names.get(name, name) for key, name in others.items()}
        return BASE + _VARIABLE.sub(lambda found: quote(names.get(found[1], NOTHING)), route)


def make_world(count: int = 1) -> World:
    """So many of each thing that there can be many of."""
    domain = Domain.objects.get_or_create(id="default", defaults={"name": "Default"})[0]
    Project.objects.create(id=OWN_PROJECT, name="own", domain=domain)
    if count > 1:
        _make_room(count)
    flavors = [
        make_flavor(flavorid=f"{n}", name=f"m1.size{n}", extra_specs={"color": "red"})
        for n in range(1, count + 1)
    ]
    make_flavor(flavorid="private", name="private", is_public=False, shared_with=[OWN_PROJECT])
    hosts = [
        make_hypervisor(
            name=f"host{n}", hostname=f"host{n}.lab", vcpus=64, ram_mib=65536, last_seen_at=NOW
        )
        for n in range(1, count + 1)
    ]
    aggregates = [_aggregate(n, host) for n, host in enumerate(hosts, 1)]
    empty = Aggregate.objects.create(name="empty")
    groups = [
        ServerGroup.objects.create(
            project_id=OWN_PROJECT, user_id=OWNER, name=f"group{n}", policy="affinity"
        )
        for n in range(1, count + 1)
    ]
    for n in range(1, count + 1):
        KeyPair.objects.create(
            user_id=OWNER,
            name=f"key{n}",
            public_key=PUBLIC_KEY,
            fingerprint="00:11",
            created_at=NOW,
        )
    image, network = _image(), _network()
    servers = [_server(n, image, hosts[n - 1], groups[n - 1]) for n in range(1, count + 1)]
    _history(servers[0], count)
    for server in servers:
        _migration(server)
    _drain(hosts[0], servers)
    return World(
        flavors,
        image,
        network,
        hosts,
        aggregates,
        servers,
        groups,
        _names(servers[0], hosts[0])
        | {
            "aggregate_id": str(aggregates[0].pk),
            "empty_aggregate_id": str(empty.pk),
            "group_id": str(groups[0].pk),
            "image_id": str(image.pk),
            "network_id": str(network.pk),
            "port_id": str(Port.objects.get(device_id=str(servers[0].pk)).pk),
            "rule_id": str(SecurityGroupRule.objects.filter(direction="ingress").earliest("pk").pk),
            "security_group_id": str(SecurityGroup.objects.get(project_id=OWN_PROJECT).pk),
        },
    )


def _migration(server: Server) -> None:
    """A resize that was confirmed."""
    Migration.objects.create(
        uuid=f"{NOTHING[:-12]}{int(server.name[6:]):012}",
        server_id=server.pk,
        type=MigrationType.RESIZE,
        status=MigrationStatus.CONFIRMED,
        source=server.hypervisor,
        source_name="host1",
        source_node="host1.lab",
        destination=server.hypervisor,
        destination_name="host2",
        destination_node="host2.lab",
        destination_address="192.0.2.2",
        old_flavor_id=1,
        new_flavor_id=2,
        user_id=OWNER,
        project_id=OWN_PROJECT,
        request_id=REQUEST_ID,
        created_at=NOW,
        updated_at=NOW,
    )


def _drain(host: Hypervisor, servers: list[Server]) -> None:
    """A plan to drain the host, as it was worked out."""
    drain = Drain.objects.create(
        hypervisor=host,
        user_id=OWNER,
        user_name="owner",
        log=[{"at": "2026-05-04T12:30:15Z", "user": "owner", "did": "plan"}],
        planned_at=NOW,
    )
    for position, server in enumerate(servers):
        DrainItem.objects.create(
            drain=drain,
            server=server,
            position=position,
            way=Way.LIVE,
            destination="host2",
            reason="The best of 1 hosts that can have it, of 1 asked, with weight 0.",
            updated_at=NOW,
        )


def _names(server: Server, host: Hypervisor) -> dict[str, str]:
    return {
        "alias": "os-keypairs",
        "before": "2026-05-04 00:00:00",
        "class_name": "default",
        "flavor_id": "1",
        "host": host.name,
        "hypervisor_id": str(host.uuid),
        "hypervisor_number": str(host.pk),
        "key": "color",
        "label": "private",
        "name": str(host.uuid),
        "pattern": host.name,
        "request_id": REQUEST_ID,
        "server_id": str(server.pk),
        "tag": "blue",
        "target_id": OWN_PROJECT,
        "tenant_id": OWN_PROJECT,
        "version_id": "v2.1",
    }


def _make_room(servers: int) -> None:
    """Let the project have so many servers, whatever the default limits are."""
    set_project_limits(
        project_id=OWN_PROJECT,
        wanted={"instances": servers, "cores": servers, "ram": 64 * servers},
        force=True,
        actor=actor_named("admin"),
        now=NOW,
    )


def _aggregate(number: int, host: Hypervisor) -> Aggregate:
    aggregate = Aggregate.objects.create(name=f"rack{number}", metadata={"ssd": "true"})
    aggregate.hypervisors.add(host)
    return aggregate


def _image() -> Image:
    return Image.objects.create(
        name="tiny",
        owner=OWN_PROJECT,
        status=ImageStatus.ACTIVE,
        visibility=Visibility.PUBLIC,
        disk_format="qcow2",
        container_format="bare",
        size=50 * 1024**2,
        virtual_size=512 * 1024**2,
        sha256="0" * 64,
        properties={"color": "red"},
    )


def _network() -> Network:
    network = Network.objects.create(name="private", project_id=FOREIGN_PROJECT, is_shared=True)
    Subnet.objects.create(
        network=network,
        name="private",
        project_id=FOREIGN_PROJECT,
        cidr="10.20.0.0/22",
        gateway_ip="10.20.0.1",
        allocation_pools=[["10.20.0.10", "10.20.3.250"]],
    )
    return network


def _server(number: int, image: Image, host: Hypervisor, group: ServerGroup) -> Server:
    """A server as its build leaves it."""
    wanted = CreateServers(
        name=f"server{number}",
        flavor_id="1",
        image_id=image.pk,
        key_name="key1",
        metadata={"color": "red"},
        tags=("blue",),
        hints={"group": str(group.pk)},
    )
    made = create_servers(wanted=wanted, actor=actor_named("owner"), now=NOW)[0]
    Operation.objects.all().delete()
    Server.objects.filter(pk=made.pk).update(
        vm_state=VmState.ACTIVE,
        task_state=None,
        power_state=1,
        hypervisor=host,
        availability_zone="nova",
        launched_at=NOW,
    )
    return Server.objects.get(pk=made.pk)


def _history(server: Server, count: int) -> None:
    ServerAction.objects.filter(server_id=server.pk).delete()
    for n in range(1, count + 1):
        action = ServerAction.objects.create(
            server_id=server.pk,
            action="reboot",
            request_id=f"{REQUEST_ID[:-4]}{n:04}",
            user_id=OWNER,
            project_id=OWN_PROJECT,
            started_at=NOW,
            updated_at=NOW,
        )
        ServerEvent.objects.create(
            action=action,
            host="host1",
            event="compute_reboot",
            started_at=NOW,
            finished_at=NOW,
            result="Success",
        )
    _steps(server, count)


def _steps(server: Server, count: int) -> None:
    """What the oldest action did, with so many tries of its step."""
    operation = Operation.objects.create(
        kind="server.reboot",
        subject=server.pk,
        request_id=REQUEST_ID,
        state=OperationState.DONE,
        created_at=NOW,
        updated_at=NOW,
        finished_at=NOW,
    )
    for n in range(1, count + 1):
        StepRecord.objects.create(
            operation=operation,
            step="power",
            direction="do",
            ready_at=NOW,
            started_at=NOW,
            finished_at=NOW,
            result=StepResult.SUCCESS if n == count else StepResult.RETRY,
        )

"""What the books say of a host: read in a constant number of queries, however many servers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q

from hypervisors.models import CachedImage, Hypervisor, StoragePool
from hypervisors.survey import HostSurvey
from identity.models import Project, User
from images.models import Image, ImageStatus
from networks.models import Network, Port
from networks.wiring import libvirt_network_name
from operations.models import UNFINISHED, Operation
from scheduling.models import Allocation
from servers.models import Server
from servers.states import VmState

# An operation that ended so shortly before the host was looked at may have been seen half done:
# the clocks of several machines differ.
CLOCK_MARGIN = timedelta(seconds=5)
REPAIR = "integrity.repair"
SETTLED = (VmState.ACTIVE, VmState.STOPPED)


@dataclass(frozen=True)
class Busy:
    """What somebody is at, or was until a moment ago: left to them.

    `servers` and `networks` are those with an operation; `others` all other subjects.
    """

    servers: frozenset[UUID] = frozenset()
    networks: frozenset[str] = frozenset()
    building_images: frozenset[UUID] = frozenset()


@dataclass(frozen=True)
class HostFacts:
    """What one host should have.

    `servers`: those on it; `elsewhere`: others whose traces were seen there, deleted ones too.
    `ports` are by server, `allocated` the hosts (keys) where a server holds an allocation.
    """

    hypervisor: Hypervisor
    pools: Mapping[str, StoragePool]
    servers: Mapping[UUID, Server]
    elsewhere: Mapping[UUID, Server]
    ports: Mapping[UUID, Sequence[Port]]
    known_ports: frozenset[str]
    known_macs: frozenset[str]
    known_networks: frozenset[str]
    networks: Mapping[str, Network]
    images: Mapping[UUID, Image]
    cached: Sequence[CachedImage]
    projects: Mapping[str, str]
    users: Mapping[str, str]
    allocated: Mapping[UUID, frozenset[int]]
    busy: Busy
    pool_names: Sequence[str] = field(default=())

    @property
    def default_pool(self) -> str:
        """The name of the pool for new servers, or ""."""
        return next((pool.name for pool in self.pools.values() if pool.is_default), "")

    def settled(self) -> list[Server]:
        """The servers that must be whole here: nobody is at them, and nothing else is known."""
        return [
            server
            for server in self.servers.values()
            if server.vm_state in SETTLED and server.task_state is None and self.is_placed(server)
        ]

    def is_placed(self, server: Server) -> bool:
        """Whether its allocation agrees with its host; where not, that is to be settled first."""
        held = self.allocated.get(server.pk, frozenset())
        return server.pk not in self.busy.servers and (not held or self.hypervisor.pk in held)


def busy_since(started_at: datetime, *, besides: UUID | None = None) -> Busy:
    """Whatever has an unfinished operation, or had one since; `besides` is our own.

    Read after a host was looked at, this covers all that changed while it was.
    """
    rows = (
        Operation.objects.filter(
            Q(state__in=UNFINISHED) | Q(finished_at__gte=started_at - CLOCK_MARGIN)
        )
        .exclude(pk=besides)
        .values_list("kind", "subject", "params")
    )
    servers: set[UUID] = set()
    networks: set[str] = set()
    for kind, subject, params in rows:
        servers.add(subject)
        if params.get("server"):
            servers.add(UUID(params["server"]))
        if params.get("network"):
            networks.add(libvirt_network_name(params["network"]))
        if kind == REPAIR and params.get("network"):
            networks.add(params["network"])
    building = Server.objects.filter(pk__in=servers, vm_state=VmState.BUILDING)
    images = building.exclude(image_id=None).values_list("image_id", flat=True)
    return Busy(frozenset(servers), frozenset(networks), frozenset(each for each in images if each))


def host_facts(
    hypervisor: Hypervisor,
    seen: HostSurvey,
    *,
    started_at: datetime,
    only: frozenset[UUID] | None = None,
    besides: UUID | None = None,
) -> HostFacts:
    """Read what the books say of a host and of all that was seen there.

    Args:
        hypervisor: the host.
        seen: what it has.
        started_at: when the look at it began.
        only: read these servers alone.
        besides: an operation that does not make its subject busy.
    """
    traces = traces_of(seen)
    if only is not None:
        traces &= only
    rows = Server.objects.alive().filter(hypervisor=hypervisor)
    if only is not None:
        rows = rows.filter(pk__in=only)
    servers = {server.pk: server for server in rows}
    elsewhere = Server.objects.filter(pk__in=traces - set(servers)).in_bulk()
    ports, networks = _ports(servers)
    pools = {pool.name: pool for pool in StoragePool.objects.filter(hypervisor=hypervisor)}
    named = {image for image in (base_image_of(volume.name) for volume in seen.volumes) if image}
    owners = {server.project_id for server in servers.values()} | {
        domain.metadata.project_id for domain in seen.domains if domain.metadata
    }
    return HostFacts(
        hypervisor=hypervisor,
        pools=pools,
        servers=servers,
        elsewhere=elsewhere,
        ports=ports,
        known_ports=_known_ports(seen),
        known_macs=_known_macs(seen, hypervisor),
        known_networks=_known_networks(),
        networks=networks,
        images=Image.objects.in_bulk(named),
        cached=list(CachedImage.objects.filter(pool__hypervisor=hypervisor).select_related("pool")),
        projects=dict(Project.objects.filter(pk__in=owners).values_list("pk", "name")),
        users=_user_names(servers.values()),
        allocated=_allocated(set(servers) | set(elsewhere)),
        busy=busy_since(started_at, besides=besides),
    )


def traces_of(seen: HostSurvey) -> frozenset[UUID]:
    """The ids of servers whose domains or volumes are there."""
    found = {domain.uuid for domain in seen.domains}
    found |= {server for server in (server_of_volume(each.name) for each in seen.volumes) if server}
    return frozenset(found)


def server_of_volume(name: str) -> UUID | None:
    """Whose volume it is by its name, which begins with the server's id; None: not ours."""
    if len(name) < 38 or name[36] not in "-_":
        return None
    return _uuid(name[:36])


def base_image_of(name: str) -> UUID | None:
    """The image that a base volume is of; None: it is none."""
    return _uuid(name[5:41]) if name.startswith("base-") and len(name) > 41 else None


def _uuid(text: str) -> UUID | None:
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None


def _ports(
    servers: Mapping[UUID, Server],
) -> tuple[dict[UUID, list[Port]], dict[str, Network]]:
    by_server: dict[UUID, list[Port]] = defaultdict(list)
    networks: dict[str, Network] = {}
    rows = (
        Port.objects.filter(device_id__in=[str(key) for key in servers])
        .select_related("network")
        .prefetch_related("fixed_ips__subnet", "network__subnets", "security_groups")
        .order_by("device_index", "created_at", "id")
    )
    for port in rows:
        by_server[UUID(port.device_id)].append(port)
        networks[libvirt_network_name(port.network_id)] = port.network
    return by_server, networks


def _known_ports(seen: HostSurvey) -> frozenset[str]:
    named = [port for port in (_uuid(name[-36:]) for name in seen.filters) if port]
    return frozenset(map(str, Port.objects.filter(pk__in=named).values_list("pk", flat=True)))


def _known_macs(seen: HostSurvey, hypervisor: Hypervisor) -> frozenset[str]:
    """Cards of servers that are on this host, or on none yet."""
    entries = {
        entry.mac for network in seen.networks for entry in (*network.kept, *(network.live or ()))
    }
    owners: dict[str, UUID] = {}
    for mac, device in Port.objects.filter(mac_address__in=entries).values_list(
        "mac_address", "device_id"
    ):
        owner = _uuid(device)
        if owner is not None:
            owners[mac.lower()] = owner
    here = set(
        Server.objects.alive()
        .filter(Q(hypervisor=hypervisor) | Q(hypervisor=None), pk__in=owners.values())
        .values_list("pk", flat=True)
    )
    return frozenset(mac for mac, owner in owners.items() if owner in here)


def _known_networks() -> frozenset[str]:
    return frozenset(map(libvirt_network_name, Network.objects.values_list("pk", flat=True)))


def _user_names(servers: Iterable[Server]) -> dict[str, str]:
    wanted = {server.user_id for server in servers}
    return dict(User.objects.filter(pk__in=wanted).values_list("pk", "name"))


def _allocated(servers: set[UUID]) -> dict[UUID, frozenset[int]]:
    found: dict[UUID, set[int]] = defaultdict(set)
    rows = Allocation.objects.filter(server_id__in=servers)
    for server_id, hypervisor_id in rows.values_list("server_id", "hypervisor_id"):
        found[server_id].add(hypervisor_id)
    return {server: frozenset(hosts) for server, hosts in found.items()}


def retired_bases(hypervisor: Hypervisor) -> list[str]:
    """Base volumes of images that nobody can start from any more."""
    rows = CachedImage.objects.filter(pool__hypervisor=hypervisor)
    gone = Image.objects.filter(status=ImageStatus.DELETED).values("pk")
    return list(rows.filter(image_id__in=gone).values_list("volume", flat=True))


@dataclass(frozen=True)
class BooksFacts:
    """What the checks of the books alone are given."""

    started_at: datetime
    busy: Busy


def books_facts(*, started_at: datetime, besides: UUID | None = None) -> BooksFacts:
    """Read what is at work; the checks of the books ask the database themselves."""
    return BooksFacts(started_at, busy_since(started_at, besides=besides))


def ports_of_servers(servers: Iterable[UUID]) -> list[str]:
    """The ids of their ports."""
    rows = Port.objects.filter(device_id__in=[str(each) for each in servers])
    return [str(key) for key in rows.values_list("pk", flat=True)]

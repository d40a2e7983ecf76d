"""What the books say of a host: read in a constant number of queries, however many servers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q, QuerySet

from hypervisors.disks import BASE_PREFIX, disk_specs
from hypervisors.guests import DiskSpec, GuestMetadata
from hypervisors.models import CachedImage, Hypervisor, StoragePool
from hypervisors.pools import Places, keeps_logs, places_of, shared_pools
from hypervisors.survey import HostSurvey
from hypervisors.volumes import named_volume
from identity.models import Project
from images.models import Image, ImageStatus
from networks.models import GroupChange, Network, Port
from networks.wiring import libvirt_network_name
from operations.models import UNFINISHED, Operation
from scheduling.models import Allocation
from servers.guest_record import guest_records, record_digest
from servers.guest_spec import disk_plan
from servers.models import Server
from servers.states import VmState
from volumes.models import Snapshot, Volume
from volumes.states import SnapshotStatus, VolumeStatus

# An operation that ended so shortly before the host was looked at may have been seen half done:
# the clocks of several machines differ.
CLOCK_MARGIN = timedelta(seconds=5)
REPAIR = "integrity.repair"
SETTLED = (VmState.ACTIVE, VmState.STOPPED, VmState.PAUSED, VmState.SUSPENDED)
_WITH_DATA = (ImageStatus.ACTIVE, ImageStatus.DEACTIVATED)
_ID_LENGTH = 36


@dataclass(frozen=True)
class Busy:
    """What somebody is at, or was until a moment ago: left to them.

    `servers` are the subjects of all operations, whatever they are; `networks` the names of those
    that are being removed; `images_at_work` those of such servers, and those that hosts fetch.
    """

    servers: frozenset[UUID] = frozenset()
    networks: frozenset[str] = frozenset()
    images_at_work: frozenset[UUID] = frozenset()


@dataclass(frozen=True)
class KeptVolumes:
    """Volumes that outlive servers, and their snapshots, as the books have them.

    `here` are those at rest on the host: pool and name by id. `may_be_here`: the ids of all that
    may have a file there, since they are there, or just came, or are on their way. `known`: of what
    was seen there, the ids that there is a row of.
    """

    here: Mapping[UUID, tuple[str, str]] = field(default_factory=dict)
    may_be_here: frozenset[UUID] = frozenset()
    known: frozenset[UUID] = frozenset()


@dataclass(frozen=True)
class HostFacts:
    """What one host should have.

    `servers`: those on it; `elsewhere`: others whose traces were seen there, deleted ones too.
    `ports` are by server, `allocated` the hosts (keys) where a server holds an allocation.
    `filter_owners`: of ports whose filters were seen, the server's id, or None for no server;
    a port that is not in it does not exist. `records`: what guests should keep, of those that keep
    something else than was written last. `filters_in_flux`: groups changed, and the ports whose
    filters follow are not known yet. `shared` are the stores that other hosts have, too.
    """

    hypervisor: Hypervisor
    started_at: datetime
    pools: Mapping[str, StoragePool]
    servers: Mapping[UUID, Server]
    elsewhere: Mapping[UUID, Server]
    ports: Mapping[UUID, Sequence[Port]]
    filter_owners: Mapping[str, UUID | None]
    known_macs: frozenset[str]
    known_networks: frozenset[str]
    images: Mapping[UUID, Image]
    cached: Sequence[CachedImage]
    projects: frozenset[str]
    allocated: Mapping[UUID, frozenset[int]]
    busy: Busy
    filters_in_flux: bool = False
    records: Mapping[UUID, GuestMetadata] = field(default_factory=dict)
    kept: KeptVolumes = field(default_factory=KeptVolumes)
    shared: frozenset[str] = frozenset()

    @property
    def default_pool(self) -> str:
        """The name of the pool for new servers, or ""."""
        return next((pool.name for pool in self.pools.values() if pool.is_default), "")

    def log_path(self, pool: str) -> str:
        """Where the serial logs are of servers that have their disks in this pool."""
        name = pool if keeps_logs(self.pools[pool]) else self.default_pool
        return str(self.pools[name].target_path)

    def places(self, pool: str) -> Places:
        """Where the disks are of servers that have them in this pool; in "" are none of ours."""
        if pool and self.pools[pool].type == "logical":
            return Places(pool, self.default_pool, is_block=True)
        return Places(pool, pool)

    def is_shared(self, pool: str) -> bool:
        """Whether other hosts have its files, too."""
        return self.pools[pool].store in self.shared

    def settled(self) -> list[Server]:
        """The servers that must be whole here: nobody is at them, and nothing else is known."""
        return [server for server in self._settled() if not server.adopted_name]

    def adopted(self) -> list[Server]:
        """Those likewise whose guests were there before: nothing of them but our mark is ours."""
        return [server for server in self._settled() if server.adopted_name]

    def _settled(self) -> list[Server]:
        return [
            server
            for server in self.servers.values()
            if server.vm_state in SETTLED and server.task_state is None and self.is_at_rest(server)
        ]

    def is_at_rest(self, server: Server) -> bool:
        """Whether nothing changed since the look began, and its allocation is where it is."""
        held = self.allocated.get(server.pk, frozenset())
        return (
            server.pk not in self.busy.servers
            and server.updated_at < self.started_at
            and (not held or self.hypervisor.pk in held)
        )


def busy_since(started_at: datetime, *, besides: UUID | None = None) -> Busy:
    """Whatever has an unfinished operation, or had one since; `besides` is our own.

    Read after a host was looked at, this covers all that changed while it was.
    """
    # After a repair the next look is to see what came of it, with no margin.
    ended = Q(finished_at__gte=started_at) | (
        Q(finished_at__gte=started_at - CLOCK_MARGIN) & ~Q(kind=REPAIR)
    )
    rows = Operation.objects.filter(Q(state__in=UNFINISHED) | ended).values_list(
        "pk", "subject", "params"
    )
    servers: set[UUID] = set()
    networks: set[str] = set()
    brought: set[UUID] = set()
    for key, subject, params in rows:
        if key == besides:
            continue
        servers.add(subject)
        if params.get("server"):
            servers.add(UUID(params["server"]))
        if params.get("network"):
            networks.add(libvirt_network_name(params["network"]))
        if params.get("image"):
            brought.add(UUID(params["image"]))
    at_work = Server.objects.filter(pk__in=servers).exclude(image_id=None)
    images = at_work.values_list("image_id", flat=True).distinct()
    return Busy(
        frozenset(servers), frozenset(networks), frozenset(brought.union(filter(None, images)))
    )


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
    rows = Server.objects.alive().filter(hypervisor=hypervisor)
    if only is not None:
        traces &= only
        rows = rows.filter(pk__in=only)
    servers = {server.pk: server for server in rows}
    elsewhere = Server.objects.filter(pk__in=traces - set(servers)).in_bulk()
    named = {image for image in (base_image_of(volume.name) for volume in seen.volumes) if image}
    owners = {domain.metadata.project_id for domain in seen.domains if domain.metadata}
    rows_of_pools = StoragePool.objects.select_related("hypervisor").filter(hypervisor=hypervisor)
    pools = {pool.name: pool for pool in rows_of_pools}
    return HostFacts(
        hypervisor=hypervisor,
        started_at=started_at,
        pools=pools,
        shared=frozenset(pool.store for pool in shared_pools(hypervisor)),
        servers=servers,
        elsewhere=elsewhere,
        ports=_ports(servers),
        filter_owners=_filter_owners(seen),
        known_macs=_known_macs(seen, hypervisor),
        known_networks=frozenset(
            map(libvirt_network_name, Network.objects.values_list("pk", flat=True))
        ),
        images=Image.objects.in_bulk(named),
        cached=list(images_in(pools.values())),
        projects=frozenset(Project.objects.filter(pk__in=owners).values_list("pk", flat=True)),
        allocated=_allocated(set(servers) | set(elsewhere)),
        records=_records(seen, servers),
        filters_in_flux=GroupChange.objects.exists(),
        kept=_kept_volumes(seen, hypervisor) if only is None else KeptVolumes(),
        # The last, so that whatever ended while the rest was read is among it.
        busy=busy_since(started_at, besides=besides),
    )


def images_in(pools: Iterable[StoragePool]) -> QuerySet[CachedImage]:
    """What images are recorded with these pools, or with others that are the same store."""
    stores = [pool.store for pool in pools if pool.store]
    of_own = Q(pool__in=[pool.pk for pool in pools if not pool.store])
    return CachedImage.objects.filter(of_own | Q(pool__store__in=stores)).select_related("pool")


def traces_of(seen: HostSurvey) -> frozenset[UUID]:
    """The ids of servers whose domains or volumes are there."""
    found = {domain.uuid for domain in seen.domains}
    found |= {server for server in (server_of_volume(each.name) for each in seen.volumes) if server}
    return frozenset(found)


def server_of_volume(name: str) -> UUID | None:
    """Whose volume it is by its name, which begins with the server's id; None: not ours."""
    if len(name) <= _ID_LENGTH + 1 or name[_ID_LENGTH] not in "-_":
        return None
    return _uuid(name[:_ID_LENGTH])


def base_image_of(name: str) -> UUID | None:
    """The image that a base volume is of; None: it is none."""
    rest = name.removeprefix(BASE_PREFIX)
    return _uuid(rest[:_ID_LENGTH]) if rest != name and len(rest) > _ID_LENGTH else None


def places_on(hypervisor: Hypervisor, pool: str) -> Places:
    """Where the disks are of servers that have them in this pool of a host, or in none: ""."""
    if not pool:
        return Places("", "")
    rows = StoragePool.objects.select_related("hypervisor")
    return places_of(rows.get(hypervisor=hypervisor, name=pool))


def disks_of(server: Server, places: Places) -> tuple[DiskSpec, ...]:
    """The disks that the server has, were they there."""
    drive = b"" if server.has_config_drive else None
    return disk_specs(places, server.pk, disk_plan(server, base_volume=None, config_drive=drive))


def settled_bases() -> list[str]:
    """Names of base volumes that servers may be made of at any time, on any host."""
    rows = Image.objects.filter(status__in=_WITH_DATA).exclude(sha256="")
    return [f"{BASE_PREFIX}{key}-{sha256[:16]}" for key, sha256 in rows.values_list("pk", "sha256")]


def ports_of_servers(servers: Iterable[UUID]) -> list[str]:
    """The ids of their ports."""
    rows = Port.objects.filter(device_id__in=[str(each) for each in servers])
    return [str(key) for key in rows.values_list("pk", flat=True)]


def _uuid(text: str) -> UUID | None:
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None


def _ports(servers: Collection[UUID]) -> dict[UUID, list[Port]]:
    by_server: dict[UUID, list[Port]] = defaultdict(list)
    rows = (
        Port.objects.filter(device_id__in=[str(key) for key in servers])
        .select_related("network")
        .prefetch_related("fixed_ips__subnet", "network__subnets")
        .order_by("device_index", "created_at", "id")
    )
    for port in rows:
        by_server[UUID(port.device_id)].append(port)
    return by_server


def _filter_owners(seen: HostSurvey) -> dict[str, UUID | None]:
    named = [port for port in (_uuid(name[-_ID_LENGTH:]) for name in seen.filters) if port]
    rows = Port.objects.filter(pk__in=named).values_list("pk", "device_id")
    return {str(key): _uuid(device) for key, device in rows}


def _kept_volumes(seen: HostSurvey, hypervisor: Hypervisor) -> KeptVolumes:
    named = [each for each in (named_volume(volume.name) for volume in seen.volumes) if each]
    here: dict[UUID, tuple[str, str]] = {}
    known: set[UUID] = set()
    may_be: set[UUID] = set()
    wanted = Q(pk__in=named) | Q(hypervisor=hypervisor)
    for volume in Volume.objects.filter(wanted):
        known.add(volume.pk)
        at_work = volume.status not in {VolumeStatus.AVAILABLE, VolumeStatus.IN_USE}
        places = {volume.hypervisor_id, volume.left_hypervisor_id}
        if at_work or hypervisor.pk in places:
            may_be.add(volume.pk)
        if not at_work and volume.hypervisor_id == hypervisor.pk:
            here[volume.pk] = (volume.pool, volume.storage_name)
    for snapshot in Snapshot.objects.filter(wanted):
        known.add(snapshot.pk)
        at_rest = snapshot.status == SnapshotStatus.AVAILABLE
        if not at_rest or snapshot.hypervisor_id == hypervisor.pk:
            may_be.add(snapshot.pk)
        if at_rest and snapshot.hypervisor_id == hypervisor.pk:
            here[snapshot.pk] = (snapshot.pool, snapshot.storage_name)
    return KeptVolumes(here, frozenset(may_be), frozenset(known))


def _known_macs(seen: HostSurvey, hypervisor: Hypervisor) -> frozenset[str]:
    """Cards, of those with an entry there, of servers that are on this host, or on none yet."""
    entries = {
        entry.mac for network in seen.networks for entry in (*network.kept, *(network.live or ()))
    }
    rows = Port.objects.filter(mac_address__in=entries).values_list("mac_address", "device_id")
    owners = {(mac.lower(), _uuid(device)) for mac, device in rows}
    here = set(
        Server.objects.alive()
        .filter(
            Q(hypervisor=hypervisor) | Q(hypervisor=None),
            pk__in=[owner for _, owner in owners if owner],
        )
        .values_list("pk", flat=True)
    )
    return frozenset(mac for mac, owner in owners if owner in here)


def _allocated(servers: set[UUID]) -> dict[UUID, frozenset[int]]:
    found: dict[UUID, set[int]] = defaultdict(set)
    rows = Allocation.objects.filter(server_id__in=servers)
    for server_id, hypervisor_id in rows.values_list("server_id", "hypervisor_id"):
        found[server_id].add(hypervisor_id)
    return {server: frozenset(hosts) for server, hosts in found.items()}


def _records(seen: HostSurvey, servers: Mapping[UUID, Server]) -> dict[UUID, GuestMetadata]:
    """Whoever writes them keeps the digest of what was written last; before that none is right."""
    differing = []
    for domain in seen.domains:
        server = servers.get(domain.uuid)
        if server is None or not domain.xml or not server.record_digest:
            continue
        if server.recorded_at != server.updated_at:
            continue
        if domain.metadata is None or record_digest(domain.metadata) != server.record_digest:
            differing.append(server)
    return guest_records(differing) if differing else {}

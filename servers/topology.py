"""The NUMA nodes of a server, and where they are on its host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hypervisors.guests import check_topology, guest_features
from hypervisors.numa import NumaPlacement, NumaRequest
from identity import policy
from identity.actors import Actor
from servers.guest_spec import host_placement
from servers.models import Server

_HOST = "compute:server:topology:host:index"


@dataclass(frozen=True)
class ServerNode:
    """One node: vCPUs, those of them that are threads of one core to the guest, and memory.

    `cell` is the host's cell that it is in, None while the server is on no host. `pinning` is the
    host's CPU of each vCPU that has one of its own.
    """

    vcpus: tuple[int, ...]
    siblings: tuple[tuple[int, ...], ...]
    ram_mib: int
    cell: int | None = None
    pinning: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ServerTopology:
    """All nodes, none where the host decides; `with_host` says that the caller may know cells."""

    nodes: tuple[ServerNode, ...] = ()
    page_kib: int | None = None
    with_host: bool = False


def topology_of(server: Server, *, actor: Actor) -> ServerTopology:
    """The nodes that the server was given, or will be given by its next host."""
    if not server.request_spec.get("numa"):
        return ServerTopology()
    request = NumaRequest.from_json(server.request_spec["numa"])
    placement = None if server.hypervisor is None else host_placement(server, server.hypervisor)
    threads = _threads(server)
    return ServerTopology(
        nodes=_placed(placement, threads) if placement else _wanted(request, threads),
        page_kib=placement.page_kib if placement else None,
        with_host=policy.allows(actor, _HOST, project_id=server.project_id, user_id=server.user_id),
    )


def _threads(server: Server) -> int:
    features = guest_features(server.flavor["extra_specs"], server.image_properties)
    return check_topology(features, server.flavor["vcpus"])[2]


def _wanted(request: NumaRequest, threads: int) -> tuple[ServerNode, ...]:
    return tuple(
        ServerNode(node.vcpus, _siblings(node.vcpus, threads), node.ram_mib)
        for node in request.nodes
    )


def _placed(placement: NumaPlacement, threads: int) -> tuple[ServerNode, ...]:
    is_dedicated = placement.request.is_dedicated
    return tuple(
        ServerNode(
            vcpus=node.vcpus,
            siblings=_siblings(node.vcpus, threads),
            ram_mib=node.ram_mib,
            cell=node.cell,
            pinning=dict(zip(node.vcpus, node.cpus, strict=True)) if is_dedicated else {},
        )
        for node in placement.nodes
    )


def _siblings(vcpus: tuple[int, ...], threads: int) -> tuple[tuple[int, ...], ...]:
    """vCPUs are counted through the threads of a core, then through the cores."""
    if threads <= 1:
        return ()
    cores: dict[int, list[int]] = {}
    for vcpu in vcpus:
        cores.setdefault(vcpu // threads, []).append(vcpu)
    return tuple(map(tuple, cores.values()))

"""A host of two cells with hyper-threads and huge pages, as its row keeps them."""

from hypervisors.models import Hypervisor
from hypervisors.numa import HostCell, NumaNode, NumaRequest
from scheduling.request_spec import RequestSpec
from tests.scheduling.hosts import make_host

MIB_PER_GIB = 1024
# Each cell: four cores of two threads, 8 GiB, of which 2 GiB are huge pages.
CELLS = tuple(
    HostCell(
        id=number,
        ram_mib=8 * MIB_PER_GIB,
        cores=tuple((core, core + 8) for core in range(4 * number, 4 * number + 4)),
        pages={4: 6 * MIB_PER_GIB * 256, 2048: 1024},
    )
    for number in range(2)
)


def make_cell_host(**fields) -> Hypervisor:
    facts = {
        "vcpus": 16,
        "ram_mib": 16 * MIB_PER_GIB,
        "capabilities": {"cells": [cell.to_json() for cell in CELLS]},
    }
    return make_host(**{**facts, **fields})


def request(vcpus=2, *, nodes=1, ram_mib=512, **fields) -> NumaRequest:
    each = vcpus // nodes
    return NumaRequest(
        nodes=tuple(
            NumaNode(tuple(range(node * each, (node + 1) * each)), ram_mib // nodes)
            for node in range(nodes)
        ),
        **fields,
    )


def pinned(vcpus=2, **fields) -> NumaRequest:
    return request(vcpus, is_dedicated=True, **fields)


def spec_of(asked: NumaRequest, **fields) -> RequestSpec:
    amounts = {
        "vcpus": sum(len(node.vcpus) for node in asked.nodes),
        "ram_mib": sum(node.ram_mib for node in asked.nodes),
        "disk_gib": 1,
    }
    return RequestSpec(**{**amounts, "numa": asked.to_json(), **fields})

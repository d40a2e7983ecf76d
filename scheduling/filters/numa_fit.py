"""Which of a host's cells take a guest's nodes: a pure choice, the same each time it is made.

As nova does it: each node in a cell of its own, roomy cells first. What servers without nodes use
of a cell is not known; their memory counts for the host as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hypervisors.numa import HostCell, NumaNode, NumaPlacement, NumaRequest, PlacedNode

_KIB_PER_MIB = 1024


@dataclass(frozen=True)
class HostRoom:
    """A host's cells, what others hold of them, and how far they may be overcommitted."""

    cells: tuple[HostCell, ...]
    held: tuple[NumaPlacement, ...] = ()
    cpu_ratio: float = 1.0
    ram_ratio: float = 1.0


@dataclass(frozen=True)
class _Room:
    """What is left of one cell. `floated` are vCPUs that run on its CPUs without one of their own.

    `ram_mib` is what they may take of ordinary memory, overcommitted as the host allows; `pages`
    are never overcommitted.
    """

    cell: HostCell
    free_cores: tuple[tuple[int, ...], ...]
    float_on: tuple[int, ...]
    float_left: int
    ram_mib: int
    pages: dict[int, int]


def fit(request: NumaRequest, room: HostRoom) -> NumaPlacement | None:
    """Where the nodes go on this host, or None where they do not fit."""
    rooms = [_left(cell, room) for cell in room.cells]
    rooms.sort(key=lambda each: (-_free_cpus(each, request), -each.ram_mib, each.cell.id))
    for page_kib in _page_sizes(request, room.cells):
        placed = _place(request.nodes, request, page_kib, rooms)
        if placed is not None:
            smallest = min((size for cell in room.cells for size in cell.pages), default=0)
            is_huge = page_kib is not None and page_kib != smallest
            return NumaPlacement(request, placed, page_kib, has_huge_pages=is_huge)
    return None


def obstacle(request: NumaRequest, room: HostRoom) -> str:
    """In words, what keeps the nodes from this host; "" where they fit."""
    if fit(request, room) is not None:
        return ""
    if not room.cells:
        return "It tells of no NUMA cells."
    if len(request.nodes) > len(room.cells):
        return f"It has {len(room.cells)} NUMA cells for {len(request.nodes)} nodes."
    sizes = _page_sizes(request, room.cells)
    if not sizes:
        return f"It has no memory pages of the size {request.page_size}."
    rooms = [_left(cell, room) for cell in room.cells]
    for number, node in enumerate(request.nodes):
        if not any(_has_memory(node, size, each) for size in sizes for each in rooms):
            return f"None of its cells has {node.ram_mib} MiB free for node {number}{_in(request)}."
        if not any(_cpus_for(node, request, each) for each in rooms):
            return (
                f"None of its cells has {len(node.vcpus)} processors free for node {number} "
                f"({_kind(request)})."
            )
    return "Its cells have room for each of the nodes, but not for all of them at once."


def _in(request: NumaRequest) -> str:
    return "" if request.page_size is None else f" in pages of the size {request.page_size}"


def _kind(request: NumaRequest) -> str:
    return f"dedicated, {request.thread_policy}" if request.is_dedicated else "shared"


def _left(cell: HostCell, room: HostRoom) -> _Room:
    nodes = [
        (placement, node)
        for placement in room.held
        for node in placement.nodes
        if node.cell == cell.id
    ]
    pinned: set[int] = set()
    floated: set[int] = set()
    floating = 0
    ram_mib, pages = _memory(cell, room.ram_ratio), dict(cell.pages)
    for placement, node in nodes:
        if placement.request.is_dedicated:
            pinned.update(node.cpus, node.idle)
        else:
            floated.update(node.cpus)
            floating += len(node.vcpus)
        if placement.has_huge_pages and placement.page_kib:
            taken = node.ram_mib * _KIB_PER_MIB // placement.page_kib
            pages[placement.page_kib] = pages.get(placement.page_kib, 0) - taken
        else:
            ram_mib -= node.ram_mib
            if pages:
                smallest = min(pages)
                pages[smallest] -= node.ram_mib * _KIB_PER_MIB // smallest
    float_on = tuple(cpu for cpu in cell.cpus if cpu not in pinned)
    return _Room(
        cell=cell,
        free_cores=tuple(
            tuple(cpu for cpu in core if cpu not in pinned | floated) for core in cell.cores
        ),
        float_on=float_on,
        float_left=int(len(float_on) * room.cpu_ratio) - floating,
        ram_mib=ram_mib,
        pages=pages,
    )


def _memory(cell: HostCell, ratio: float) -> int:
    """Without what was set aside as huge pages, which nothing else can use."""
    huge = sorted(cell.pages)[1:]
    set_aside = sum(cell.pages[size] * size for size in huge) // _KIB_PER_MIB
    return int(max(0, cell.ram_mib - set_aside) * ratio)


def _free_cpus(room: _Room, request: NumaRequest) -> int:
    if request.is_dedicated:
        return sum(map(len, room.free_cores))
    return room.float_left


def _page_sizes(request: NumaRequest, cells: Sequence[HostCell]) -> list[int | None]:
    """Those to be tried, the largest first; None does not count pages."""
    if request.page_size is None:
        return [None]
    sizes = sorted({size for cell in cells for size in cell.pages})
    if isinstance(request.page_size, int):
        return [size for size in sizes if size == request.page_size]
    wanted = {"small": sizes[:1], "large": sizes[1:], "any": sizes}[request.page_size]
    return [*reversed(wanted)]


def _place(
    nodes: Sequence[NumaNode], request: NumaRequest, page_kib: int | None, rooms: Sequence[_Room]
) -> tuple[PlacedNode, ...] | None:
    """A cell of its own for each node. Earlier nodes give way to later ones where they can."""
    if len(nodes) > len(rooms):
        return None
    options = [[_put(node, request, page_kib, room) for room in rooms] for node in nodes]
    taken_by: dict[int, int] = {}

    def settle(node: int, asked: set[int]) -> bool:
        suiting = [index for index, placed in enumerate(options[node]) if placed is not None]
        for index in sorted(suiting, key=taken_by.__contains__):
            if index in asked:
                continue
            asked.add(index)
            if index not in taken_by or settle(taken_by[index], asked):
                taken_by[index] = node
                return True
        return False

    if not all(settle(node, set()) for node in range(len(nodes))):
        return None
    found = {node: options[node][index] for index, node in taken_by.items()}
    return tuple(placed for node in range(len(nodes)) if (placed := found[node]) is not None)


def _put(
    node: NumaNode, request: NumaRequest, page_kib: int | None, room: _Room
) -> PlacedNode | None:
    chosen = _cpus_for(node, request, room) if _has_memory(node, page_kib, room) else None
    if chosen is None:
        return None
    cpus, idle = chosen
    return PlacedNode(node.vcpus, node.ram_mib, room.cell.id, cpus, idle)


def _cpus_for(
    node: NumaNode, request: NumaRequest, room: _Room
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """The CPUs that the node runs on, and those that stay idle for its sake."""
    if request.is_dedicated:
        return _choose(len(node.vcpus), request.thread_policy, room)
    # A node no wider than its cell, however far the cell's CPUs are shared.
    if len(node.vcpus) > min(len(room.float_on), room.float_left):
        return None
    return room.float_on, ()


def _has_memory(node: NumaNode, page_kib: int | None, room: _Room) -> bool:
    if page_kib is None:
        return node.ram_mib <= room.ram_mib
    wanted_kib = node.ram_mib * _KIB_PER_MIB
    return not wanted_kib % page_kib and wanted_kib // page_kib <= room.pages.get(page_kib, 0)


def _choose(count: int, policy: str, room: _Room) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """A CPU for each vCPU, and those that stay idle for their sake."""
    if policy == "isolate":
        whole = _whole_cores(room)[:count]
        if len(whole) < count:
            return None
        first, idle = [core[0] for core in whole], [cpu for core in whole for cpu in core[1:]]
        return tuple(first), tuple(sorted(idle))
    cores = [core for core in room.free_cores if core]
    if policy == "require":
        # Threads of a core that has several, and has them left.
        cores = [core for core in cores if len(core) > 1]
    chosen = list(_from(cores, count))
    return (tuple(chosen), ()) if len(chosen) == count else None


def _whole_cores(room: _Room) -> list[tuple[int, ...]]:
    return [
        free for free, core in zip(room.free_cores, room.cell.cores, strict=True) if free == core
    ]


def _from(cores: Sequence[tuple[int, ...]], count: int) -> Iterator[int]:
    """Whole cores while they are needed whole; for what remains the one that it fits best."""
    left = sorted(cores, key=lambda core: (-len(core), core))
    while count and left:
        fitting = [core for core in left if len(core) >= count]
        core = min(fitting, key=lambda each: (len(each), each)) if fitting else left[0]
        left.remove(core)
        yield from core[:count]
        count -= len(core[:count])

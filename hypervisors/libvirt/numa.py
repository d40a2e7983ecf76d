"""Cells of a host's memory and processors, and a guest's nodes on them: plain data, there and back.

A *cell* is the host's, a *node* the guest's. Memory of a cell and of a node is counted in MiB,
pages by their size in KiB.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal
from xml.etree import ElementTree as ET

PageSize = Literal["small", "large", "any"] | int
ThreadPolicy = Literal["prefer", "isolate", "require"]
_KIB = {"b": 1 / 1024, "KiB": 1, "MiB": 1024, "GiB": 1024**2, "TiB": 1024**3}
_KIB_PER_MIB = 1024


@dataclass(frozen=True)
class HostCell:
    """One cell. `cores` are its CPUs, those that share a core (hyper-threads) together.

    `pages`: of each size, how many there are. Those of the smallest size are ordinary memory, the
    others were set aside by the host's administrator.
    """

    id: int
    ram_mib: int
    cores: tuple[tuple[int, ...], ...]
    pages: Mapping[int, int] = field(default_factory=dict)

    @property
    def cpus(self) -> tuple[int, ...]:
        """All its CPUs, in order."""
        return tuple(sorted(cpu for core in self.cores for cpu in core))

    def to_json(self) -> dict[str, Any]:
        """For the host's row."""
        return {
            "id": self.id,
            "ram_mib": self.ram_mib,
            "cores": [list(core) for core in self.cores],
            "pages": {str(size): count for size, count in self.pages.items()},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "HostCell":
        """From the host's row."""
        return cls(
            id=value["id"],
            ram_mib=value["ram_mib"],
            cores=tuple(tuple(core) for core in value["cores"]),
            pages={int(size): count for size, count in value["pages"].items()},
        )


@dataclass(frozen=True)
class NumaNode:
    """One node that a guest is to have: its vCPUs by number, and its memory."""

    vcpus: tuple[int, ...]
    ram_mib: int


@dataclass(frozen=True)
class NumaRequest:
    """What a flavor and an image ask of a host's cells.

    `page_size` is a word or KiB; None leaves it to the host. `thread_policy` says how dedicated
    CPUs may share a core.
    """

    nodes: tuple[NumaNode, ...]
    page_size: PageSize | None = None
    is_dedicated: bool = False
    thread_policy: ThreadPolicy = "prefer"

    def to_json(self) -> dict[str, Any]:
        """As JSON reads it back, so that two requests can be compared by it."""
        nodes = [{"vcpus": list(node.vcpus), "ram_mib": node.ram_mib} for node in self.nodes]
        return {**asdict(self), "nodes": nodes}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "NumaRequest":
        """From a server's request spec."""
        nodes = tuple(NumaNode(tuple(node["vcpus"]), node["ram_mib"]) for node in value["nodes"])
        return cls(
            nodes=nodes,
            page_size=value["page_size"],
            is_dedicated=value["is_dedicated"],
            thread_policy=value["thread_policy"],
        )


@dataclass(frozen=True)
class PlacedNode:
    """A node in a cell of the host.

    Of dedicated CPUs there is one for each vCPU, in the order of the vCPUs; else `cpus` are those
    among which all of them run. `idle` are CPUs that nobody may use beside them.
    """

    vcpus: tuple[int, ...]
    ram_mib: int
    cell: int
    cpus: tuple[int, ...]
    idle: tuple[int, ...] = ()


@dataclass(frozen=True)
class NumaPlacement:
    """A request as one host honours it; `page_kib` None is memory as the host gives it.

    `has_huge_pages`: they are pages that the host's administrator set aside.
    """

    request: NumaRequest
    nodes: tuple[PlacedNode, ...]
    page_kib: int | None = None
    has_huge_pages: bool = False

    def to_json(self) -> dict[str, Any]:
        """For the server's allocation and its guest's metadata."""
        nodes = [
            {**asdict(node), "vcpus": list(node.vcpus), "cpus": list(node.cpus),
             "idle": list(node.idle)}
            for node in self.nodes
        ]  # fmt: skip
        return {
            "request": self.request.to_json(),
            "nodes": nodes,
            "page_kib": self.page_kib,
            "has_huge_pages": self.has_huge_pages,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "NumaPlacement":
        """From an allocation, or from a guest's metadata.

        Raises:
            LookupError, TypeError: it is not what `to_json` makes.
        """
        nodes = tuple(
            PlacedNode(
                vcpus=tuple(node["vcpus"]),
                ram_mib=node["ram_mib"],
                cell=node["cell"],
                cpus=tuple(node["cpus"]),
                idle=tuple(node["idle"]),
            )
            for node in value["nodes"]
        )
        return cls(
            request=NumaRequest.from_json(value["request"]),
            nodes=nodes,
            page_kib=value["page_kib"],
            has_huge_pages=value["has_huge_pages"],
        )


def host_cells(capabilities: ET.Element) -> tuple[HostCell, ...]:
    """The cells that a host's capabilities tell of; none where it tells of none.

    Source: libvirt, "Driver capabilities", host/topology.
    """
    return tuple(_cell(cell) for cell in capabilities.iterfind("host/topology/cells/cell"))


def _cell(cell: ET.Element) -> HostCell:
    cores: dict[tuple[int, ...], None] = {}
    cpus = {int(each.get("id", "0")): each.get("siblings") for each in cell.iterfind("cpus/cpu")}
    for cpu, siblings in sorted(cpus.items()):
        # One that is off line tells of no siblings, and nobody can be pinned to it.
        if siblings is not None:
            cores[tuple(one for one in parse_cpus(siblings) if one in cpus) or (cpu,)] = None
    memory = cell.find("memory")
    return HostCell(
        id=int(cell.get("id", "0")),
        ram_mib=0 if memory is None else _kib(memory.text, memory.get("unit")) // _KIB_PER_MIB,
        cores=tuple(cores),
        pages={
            _kib(page.get("size"), page.get("unit")): int(page.text or 0)
            for page in cell.iterfind("pages")
        },
    )


def _kib(amount: str | None, unit: str | None) -> int:
    return int(int(amount or 0) * _KIB.get(unit or "KiB", 1))


def parse_cpus(text: str) -> tuple[int, ...]:
    """CPUs or vCPUs by number from a list of numbers and ranges; `^` takes some out again.

    Raises:
        ValueError: it is no such list.
    """
    taken: set[int] = set()
    left_out: set[int] = set()
    for part in text.split(","):
        part = part.strip()
        chosen = left_out if part.startswith("^") else taken
        first, dash, last = part.removeprefix("^").partition("-")
        if not first.strip().isdecimal() or (dash and not last.strip().isdecimal()):
            raise ValueError(f"{text!r} is no list of CPUs")
        low, high = int(first), int(last) if dash else int(first)
        if high < low or high > MAX_CPU:
            raise ValueError(f"{text!r} is no list of CPUs")
        chosen.update(range(low, high + 1))
    return tuple(sorted(taken - left_out))


# More than any host has; keeps a list such as 0-999999999 from being written out.
MAX_CPU = 65535


def format_cpus(cpus: Iterable[int]) -> str:
    """CPUs as libvirt writes them: 0-3,8."""
    ranges: list[list[int]] = []
    for cpu in sorted(set(cpus)):
        if ranges and cpu == ranges[-1][1] + 1:
            ranges[-1][1] = cpu
        else:
            ranges.append([cpu, cpu])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges)

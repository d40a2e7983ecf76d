"""What extra specs and image properties ask of a host's cells, checked by the rules of nova.

The words of the refusals, and which of flavor and image wins, follow nova's own
(nova/virt/hardware.py, `numa_get_constraints`).
"""

import re
from collections.abc import Mapping
from typing import Literal

from hypervisors.libvirt.numa import NumaNode, NumaRequest, PageSize, ThreadPolicy, parse_cpus

_NAMES = ("cpu_policy", "cpu_thread_policy", "numa_nodes", "mem_page_size")
_NUMBERED = ("numa_cpus.", "numa_mem.")
_POLICIES = ("shared", "dedicated")
_THREAD_POLICIES: tuple[ThreadPolicy, ...] = ("prefer", "isolate", "require")
_NARROWED = ("any", "large")
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_SIZE = re.compile(r"(\d{1,12})(?:([kKMGT]?)i?(b|bit|B))?")
_MOST = 2**31 - 1


class InvalidNumaRequest(ValueError):
    """No guest can be placed so; the text is for the tenant."""


def is_read_here(key: str) -> bool:
    """Whether an extra spec or image property of this name is about cells."""
    for prefix in ("hw:", "hw_"):
        if key.startswith(prefix):
            name = key.removeprefix(prefix)
            return name in _NAMES or name.startswith(_NUMBERED)
    return False


def numa_request(
    extra_specs: Mapping[str, str],
    image_properties: Mapping[str, str],
    *,
    vcpus: int,
    ram_mib: int,
) -> NumaRequest | None:
    """What the two together ask; None where they leave it all to the host.

    Raises:
        InvalidNumaRequest: a bad value, or a contradiction.
    """
    flavor, image = _values(extra_specs, "hw:"), _values(image_properties, "hw_")
    policy = _policy(flavor.get("cpu_policy"), image.get("cpu_policy"))
    threads = _thread_policy(flavor.get("cpu_thread_policy"), image.get("cpu_thread_policy"))
    if threads is not None and policy != "dedicated":
        raise InvalidNumaRequest(
            "Cannot set cpu thread pinning policy in a non dedicated cpu pinning policy"
        )
    page_size = _page_size(flavor.get("mem_page_size"), image.get("mem_page_size"))
    count = _node_count(flavor, image)
    if count is None and page_size is None and policy != "dedicated":
        _refuse_split(flavor, image)
        return None
    return NumaRequest(
        nodes=_nodes(flavor, image, count or 1, vcpus, ram_mib),
        page_size=page_size,
        is_dedicated=policy == "dedicated",
        thread_policy=threads or "prefer",
    )


def _values(given: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {
        key.removeprefix(prefix): value.strip()
        for key, value in given.items()
        if key.startswith(prefix) and is_read_here(key)
    }


def _policy(flavor: str | None, image: str | None) -> str:
    for source, value in (("hw:cpu_policy", flavor), ("hw_cpu_policy", image)):
        if value is not None and value not in _POLICIES:
            raise InvalidNumaRequest(
                f"Invalid CPU policy requested: {source} = {value!r} must be one of "
                f"{', '.join(_POLICIES)} here"
            )
    if flavor == "shared" and image == "dedicated":
        raise InvalidNumaRequest(
            "Image property 'hw_cpu_policy' is not permitted to override CPU pinning policy set "
            "against the flavor"
        )
    return "dedicated" if "dedicated" in (flavor, image) else "shared"


def _thread_policy(flavor: str | None, image: str | None) -> ThreadPolicy | None:
    for source, value in (("hw:cpu_thread_policy", flavor), ("hw_cpu_thread_policy", image)):
        if value is not None and value not in _THREAD_POLICIES:
            raise InvalidNumaRequest(
                f"Invalid CPU thread policy requested: {source} = {value!r} must be one of "
                f"{', '.join(_THREAD_POLICIES)}"
            )
    if flavor not in (None, "prefer") and image is not None and image != flavor:
        raise InvalidNumaRequest(
            "Image property 'hw_cpu_thread_policy' is not permitted to override CPU thread "
            "pinning policy set against the flavor"
        )
    wanted = (image or flavor) if flavor in (None, "prefer") else flavor
    return next((policy for policy in _THREAD_POLICIES if policy == wanted), None)


def _page_size(flavor: str | None, image: str | None) -> PageSize | None:
    if flavor is None:
        if image is not None:
            raise InvalidNumaRequest(f"Page size {image} forbidden against '<empty>'")
        return None
    of_flavor = _read_page_size(flavor)
    if image is None:
        return of_flavor
    if of_flavor not in _NARROWED:
        raise InvalidNumaRequest(f"Page size {image} forbidden against '{flavor}'")
    return _read_page_size(image)


def _read_page_size(text: str) -> PageSize:
    """A word, KiB, or an amount with its unit, of which there are 1024 in the next one."""
    words: dict[str, Literal["small", "large", "any"]] = {
        "small": "small", "large": "large", "any": "any"
    }  # fmt: skip
    if text in words:
        return words[text]
    found = _SIZE.fullmatch(text)
    size = 0
    if found is not None:
        number, prefix, unit = found.groups()
        size = int(number)
        if unit is not None:
            size = size * _UNITS[prefix.lower()] // (8 if unit in ("b", "bit") else 1) // 1024
    if not 0 < size <= _MOST:
        raise InvalidNumaRequest(f"Invalid memory page size '{text}'")
    return size


def _node_count(flavor: Mapping[str, str], image: Mapping[str, str]) -> int | None:
    if "numa_nodes" in flavor and "numa_nodes" in image:
        raise _overridden("hw_numa_nodes")
    text = flavor.get("numa_nodes", image.get("numa_nodes"))
    if text is None:
        return None
    if not (text.isdecimal() and len(text) <= 5 and int(text) > 0):
        raise InvalidNumaRequest(
            f"The property 'numa_nodes' cannot be '{text}'. It must be a number greater than 0"
        )
    return int(text)


def _overridden(name: str) -> InvalidNumaRequest:
    return InvalidNumaRequest(
        f"Image property '{name}' is not permitted to override NUMA configuration set against the "
        "flavor"
    )


def _refuse_split(flavor: Mapping[str, str], image: Mapping[str, str]) -> None:
    """Nodes that are described without their number would be passed over in silence."""
    for name in (*flavor, *image):
        if name.startswith(_NUMBERED):
            raise InvalidNumaRequest(f"'{name}' is given without the number of NUMA nodes")


def _nodes(
    flavor: Mapping[str, str], image: Mapping[str, str], count: int, vcpus: int, ram_mib: int
) -> tuple[NumaNode, ...]:
    cpus = _split(flavor, image, "numa_cpus")
    memory = _split(flavor, image, "numa_mem")
    if not cpus and not memory:
        return _even(count, vcpus, ram_mib)
    wanted = {str(node) for node in range(count)}
    if set(cpus) != wanted or set(memory) != wanted:
        raise InvalidNumaRequest("CPU and memory allocation must be provided for all NUMA nodes")
    nodes = tuple(
        NumaNode(_read_cpus(cpus[str(node)]), _read_memory(memory[str(node)]))
        for node in range(count)
    )
    _check_split(nodes, vcpus, ram_mib)
    return nodes


def _split(flavor: Mapping[str, str], image: Mapping[str, str], what: str) -> dict[str, str]:
    def of(given: Mapping[str, str]) -> dict[str, str]:
        prefix = f"{what}."
        return {
            key.removeprefix(prefix): value
            for key, value in given.items()
            if key.startswith(prefix)
        }

    if of(flavor) and of(image):
        raise _overridden(f"hw_{what}")
    return of(flavor) or of(image)


def _even(count: int, vcpus: int, ram_mib: int) -> tuple[NumaNode, ...]:
    if vcpus % count or ram_mib % count:
        raise InvalidNumaRequest(
            "Instance CPUs and/or memory cannot be evenly distributed across instance NUMA nodes. "
            "Explicit assignment of CPUs and memory to nodes is required"
        )
    each = vcpus // count
    return tuple(
        NumaNode(tuple(range(node * each, (node + 1) * each)), ram_mib // count)
        for node in range(count)
    )


def _read_cpus(text: str) -> tuple[int, ...]:
    try:
        found = parse_cpus(text)
    except ValueError as error:
        raise InvalidNumaRequest(f"Invalid CPUs of a NUMA node: {error}") from error
    if not found:
        raise InvalidNumaRequest(f"Invalid CPUs of a NUMA node: {text!r} names none")
    return found


def _read_memory(text: str) -> int:
    if not (text.isdecimal() and len(text) <= 10 and 0 < int(text) <= _MOST):
        raise InvalidNumaRequest(f"Invalid memory of a NUMA node: {text!r} is no number of MB")
    return int(text)


def _check_split(nodes: tuple[NumaNode, ...], vcpus: int, ram_mib: int) -> None:
    left = set(range(vcpus))
    for node in nodes:
        for cpu in node.vcpus:
            if cpu >= vcpus:
                raise InvalidNumaRequest(f"CPU number {cpu} is larger than max {vcpus - 1}")
            if cpu not in left:
                raise InvalidNumaRequest(f"CPU number {cpu} is assigned to two nodes")
            left.remove(cpu)
    if left:
        raise InvalidNumaRequest(f"CPU number {sorted(left)} is not assigned to any node")
    total = sum(node.ram_mib for node in nodes)
    if total != ram_mib:
        raise InvalidNumaRequest(f"{total} MB of memory assigned, but expected {ram_mib} MB")

"""How a domain's kept definition differs from the one the portal would give it, for people to read.

libvirt writes a definition its own way: other units and order, addresses, controllers and defaults
added. So only what our definition states is compared, and beside it those things that change a
guest and that nobody but a hand adds (a further disk or card, a limit, a passed-through device).
Machine type, CPU model and domain type stay as they were when the guest was made, whatever the
host could do today, and a title is a label: they are not compared.
"""

from collections.abc import Iterator
from difflib import unified_diff
from xml.etree import ElementTree as ET

from hypervisors.libvirt.metadata import metadata_element
from hypervisors.libvirt.records import GuestMetadata

_UNITS_KIB = {"KiB": 1, "MiB": 1024, "GiB": 1024**2}
_IN_KIB = {"memory", "currentMemory"}
_QEMU_WORDS = "{http://libvirt.org/schemas/domain/qemu/1.0}commandline"
# Told from others of its kind by this: path and attributes.
_IDENTITY = {
    "disk": ("target", ("dev",)),
    "interface": ("mac", ("address",)),
    "controller": (".", ("type", "index")),
    "input": (".", ("type", "bus")),
    "channel": ("target", ("name",)),
    "timer": (".", ("name",)),
    "hostdev": ("source/address", ("domain", "bus", "slot", "function")),
    "entry": (".", ("name",)),
    "feature": (".", ("name",)),
    "vcpupin": (".", ("vcpu",)),
    "memnode": (".", ("cellid",)),
    "cell": (".", ("id",)),
    "page": (".", ("size",)),
}
_LEFT_OUT = {
    "domain": {"metadata", "title"},
    "cpu": {"model"},
}
_ATTRIBUTES_LEFT_OUT = {
    "domain": {"type"},
    "cpu": {"mode", "match", "check"},
    "type": {"machine"},
}
# libvirt writes which file of the host it chose.
_TEXTS_LEFT_OUT = {"loader"}
# Places for devices on the bus: libvirt makes as many more as it needs.
_PLACES = {"pcie-root-port"}
# Shown although our definition does not have them.
_EXTRA = {
    "domain": {"memoryBacking", "cputune", "blkiotune", "memtune", "numatune", "maxMemory",
               _QEMU_WORDS},
    "memoryBacking": {"hugepages", "locked", "nosharepages"},
    "cputune": {"shares", "period", "quota", "global_period", "global_quota", "emulator_period",
                "emulator_quota", "vcpupin", "emulatorpin", "iothreadpin"},
    "numatune": {"memory", "memnode"},
    "cpu": {"numa"},
    "os": {"kernel", "initrd", "cmdline"},
    "devices": {"disk", "interface", "hostdev", "filesystem", "tpm", "shmem", "vsock"},
    "disk": {"iotune", "readonly", "shareable", "transient", "boot"},
    "iotune": {f"{way}_{unit}_sec{peak}" for way in ("total", "read", "write")
               for unit in ("bytes", "iops") for peak in ("", "_max", "_max_length")},
    "interface": {"link", "filterref", "bandwidth", "boot"},
    "bandwidth": {"inbound", "outbound"},
}  # fmt: skip
_RATES = {"average", "peak", "burst", "floor"}
_EXTRA_ATTRIBUTES = {"vcpu": {"current"}, "inbound": _RATES, "outbound": _RATES}


def definition_difference(wanted: str, kept: str) -> str:
    """A unified difference of the two definitions, from what is wanted to what is; "" is none."""
    left = ET.fromstring(wanted)  # noqa: S314 - our own
    right = ET.fromstring(kept)  # noqa: S314 - libvirt's own output
    return _difference(_plain(left, left), _plain(right, left))


def metadata_difference(wanted: GuestMetadata, kept: GuestMetadata | None) -> str:
    """The same of what is kept of the server; None is nothing readable."""
    right = ET.Element("missing") if kept is None else metadata_element(kept)
    return _difference(metadata_element(wanted), right)


def _difference(wanted: ET.Element, kept: ET.Element) -> str:
    lines = unified_diff(_lines(wanted), _lines(kept), "as it should be", "as it is", lineterm="")
    return "\n".join(lines)


def _lines(element: ET.Element) -> list[str]:
    """One attribute a line would be too long, one element a line is readable."""
    ET.indent(element)
    return ET.tostring(element, encoding="unicode").splitlines()


def _plain(element: ET.Element, wanted: ET.Element | None) -> ET.Element:
    """What counts of an element, in the order of the wanted one; all of it where nothing is."""
    tag = element.tag
    plain = ET.Element(tag, dict(sorted(_attributes(element, wanted).items())))
    plain.text = None if tag in _TEXTS_LEFT_OUT else _text(element)
    if tag in _IN_KIB:
        plain.attrib["unit"] = "KiB"
    for child, like in _children(element, wanted):
        plain.append(_plain(child, like))
    return plain


def _attributes(element: ET.Element, wanted: ET.Element | None) -> dict[str, str]:
    if wanted is None:
        return dict(element.attrib)
    shown = set(wanted.attrib) | _EXTRA_ATTRIBUTES.get(element.tag, set())
    shown -= _ATTRIBUTES_LEFT_OUT.get(element.tag, set())
    return {key: value for key, value in element.attrib.items() if key in shown}


def _text(element: ET.Element) -> str | None:
    text = (element.text or "").strip()
    if element.tag in _IN_KIB and text.isdigit():
        return str(int(text) * _UNITS_KIB.get(element.get("unit", "KiB"), 1))
    return text or None


def _children(
    element: ET.Element, wanted: ET.Element | None
) -> Iterator[tuple[ET.Element, ET.Element | None]]:
    """The children that count, each with the wanted one that it answers to."""
    if wanted is None:
        # Where a device stands on the guest's bus says nothing to a reader; which one of the host's
        # it is does.
        dropped = {"alias"} if element.tag == "source" else {"address", "alias"}
        yield from ((child, None) for child in element if child.tag not in dropped)
        return
    left = list(element)
    for like in wanted:
        if like.tag in _LEFT_OUT.get(wanted.tag, ()) or like.get("model") in _PLACES:
            continue
        found = next((child for child in left if _identity(child) == _identity(like)), None)
        if found is not None:
            left.remove(found)
            yield found, like
    extra = _EXTRA.get(element.tag, set())
    yield from ((child, None) for child in left if child.tag in extra)


def _identity(element: ET.Element) -> tuple[str, ...]:
    path, names = _IDENTITY.get(element.tag, (".", ()))
    found = element.find(path) if path != "." else element
    values = ("",) if found is None else tuple(found.get(name, "").lower() for name in names)
    return (element.tag, *values)

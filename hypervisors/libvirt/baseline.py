"""What hosts have in common that guests are made of, so that one that runs can go to any of them.

A guest keeps the CPU and the machine that it started with, so both are named ones: a model that
each of the hosts can be, and the newest version of a machine type that each of them has.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from xml.etree import ElementTree as ET

# The models of libvirt's map that a guest may be given unasked, by maker of the host's CPU, best
# first. Those that a CPU with TSX switched off cannot be are behind those it can.
_MODELS: Mapping[str, tuple[str, ...]] = {
    "Intel": (
        "SapphireRapids", "Icelake-Server-noTSX", "Icelake-Server", "Cooperlake",
        "Cascadelake-Server-noTSX", "Cascadelake-Server", "Skylake-Server-noTSX-IBRS",
        "Skylake-Server-IBRS", "Skylake-Server", "Skylake-Client-noTSX-IBRS",
        "Skylake-Client-IBRS", "Skylake-Client", "Broadwell-noTSX-IBRS", "Broadwell-IBRS",
        "Broadwell-noTSX", "Broadwell", "Haswell-noTSX-IBRS", "Haswell-IBRS", "Haswell-noTSX",
        "Haswell", "IvyBridge-IBRS", "IvyBridge", "SandyBridge-IBRS", "SandyBridge",
        "Westmere-IBRS", "Westmere", "Nehalem-IBRS", "Nehalem", "Penryn", "Conroe",
    ),
    "AMD": (
        "EPYC-Genoa", "EPYC-Milan", "EPYC-Rome", "EPYC-IBPB", "EPYC", "Opteron_G5", "Opteron_G4",
        "Opteron_G3", "Opteron_G2", "Opteron_G1",
    ),
}  # fmt: skip
_ANY_MAKER = ("kvm64", "qemu64")


def usable_models(found: ET.Element) -> tuple[str, ...]:
    """The named CPU models that the host can give a guest whole, of its domain capabilities."""
    models = found.iterfind("cpu/mode[@name='custom'][@supported='yes']/model[@usable='yes']")
    return tuple(sorted(model.text or "" for model in models))


def shared_model(vendor: str, usable: Iterable[Collection[str]]) -> str:
    """The best model that is usable on every host of one maker; "" is none that is known."""
    lists = [set(each) for each in usable]
    common = set.intersection(*lists) if lists else set()
    ordered = (*_MODELS.get(vendor, ()), *_ANY_MAKER)
    return next((model for model in ordered if model in common), "")


def family_of(machine: str) -> str:
    """What a versioned machine type is a version of: of pc-q35-7.2 it is pc-q35."""
    return machine.rpartition("-")[0]


def shared_machine(family: str, machines: Iterable[Mapping[str, str]]) -> str:
    """The newest version of a family of machine types that every host has; "" is none.

    `machines` of each host: its names of types, each with the versioned one behind it.
    """
    lists = [{*each, *each.values()} for each in machines]
    common = set.intersection(*lists) if lists else set()
    versions = [each for each in common if family and family_of(each) == family]
    return max(versions, key=_version, default="")


def _version(machine: str) -> tuple[Any, ...]:
    """7.10 is newer than 7.2, and a distribution's own, rhel9.4.0, older than any plain one."""
    parts = re.findall(r"\d+|\D+", machine.rpartition("-")[2])
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts)

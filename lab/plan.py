"""Names and addresses of a lab, all derived from its prefix, its subnet and a number."""

import hashlib
import ipaddress
import re
import uuid
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lab.commands import LabError

FIRST_HOST = 10  # host 1 has the address .11 of its subnet
FIRST_MACHINE = 1  # the portal's machine 1 has the address .2
MOST_MACHINES = FIRST_HOST - FIRST_MACHINE
MOST_HOSTS = 200
LONGEST_TAG = 8  # an interface name has 15 characters, "-v200" takes five


@dataclass(frozen=True)
class MachinePlan:
    """A place on the lab's bridge: its namespace, address and link."""

    name: str
    number: int
    address: str
    folder: Path
    outer_link: str


@dataclass(frozen=True)
class HostPlan(MachinePlan):
    """What one simulated host is called and where its things are."""

    @property
    def uuid(self) -> str:
        """Return the identity of its hardware: libvirt tells hosts apart by it."""
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, self.name))

    @property
    def pool_file(self) -> Path:
        """Return the file that holds the file system of its images, where that has a size."""
        return self.folder / "pool.ext4"


@dataclass(frozen=True)
class LabPlan:
    """One lab: several can live on a machine when prefix and subnet differ."""

    prefix: str
    subnet: ipaddress.IPv4Network
    var: Path

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", self.prefix):
            raise LabError("the prefix must be lower case letters, digits and dashes")
        if self.subnet.num_addresses < FIRST_HOST + 2:
            raise LabError(f"the subnet {self.subnet} is too small for a lab")

    @cached_property
    def tag(self) -> str:
        """Return the start of its interfaces' names: short, and different for each prefix."""
        if len(self.prefix) <= LONGEST_TAG:
            return self.prefix
        digest = hashlib.sha256(self.prefix.encode()).hexdigest()
        return f"{self.prefix[:3]}{digest[:5]}"

    @property
    def bridge(self) -> str:
        """Return the name of the bridge that joins the hosts with the outer machine."""
        return f"{self.tag}-br"

    @property
    def gateway(self) -> str:
        """Return the outer machine's address on the bridge."""
        return str(self.subnet.network_address + 1)

    @property
    def folder(self) -> Path:
        """Return where the lab keeps the disks and settings of its hosts."""
        return self.var / "lab" / self.prefix

    @property
    def capabilities(self) -> Path:
        """Return the folder of what libvirt found out about QEMU, shared by all labs here."""
        return self.var / "lab-capabilities"

    def host(self, number: int) -> HostPlan:
        """Return the plan of the host with this number, from 1."""
        if not 1 <= number <= min(MOST_HOSTS, self.subnet.num_addresses - FIRST_HOST - 2):
            raise LabError(f"the lab has no room for host {number} in {self.subnet}")
        name = f"{self.prefix}-host-{number}"
        address = str(self.subnet.network_address + FIRST_HOST + number)
        return HostPlan(name, number, address, self.folder / name, f"{self.tag}-v{number}")

    def machine(self, number: int) -> MachinePlan:
        """Return the plan of the portal's machine with this number, from 1."""
        if not 1 <= number <= MOST_MACHINES:
            raise LabError(f"the lab has no room for machine {number}")
        name = f"{self.prefix}-machine-{number}"
        address = str(self.subnet.network_address + FIRST_MACHINE + number)
        return MachinePlan(name, number, address, self.folder / name, f"{self.tag}-m{number}")

    def host_named(self, name: str) -> HostPlan:
        """Return the plan of the host with this name."""
        match = re.fullmatch(rf"{re.escape(self.prefix)}-host-([1-9]\d*)", name)
        if match is None:
            raise LabError(f"{name} is no host of the lab {self.prefix} ({self.prefix}-host-1 …)")
        return self.host(int(match[1]))

"""Servers that are to be harmed on their hosts: what there is of them before and afterwards."""

from __future__ import annotations

import json
import random
import re
import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cloud import hosts
from tests.cloud.conftest import Cloud

# What the database says of the servers, their hosts, networks and pools.
FACTS = """
import json
from hypervisors.models import StoragePool
from networks.models import Port, Subnet
from networks.wiring import libvirt_network_name
from servers.models import Server
ports = {port.device_id: port for port in Port.objects.prefetch_related("fixed_ips")}
subnet = Subnet.objects.get(network__name="default")
print(json.dumps({
    "network": libvirt_network_name(subnet.network_id),
    "cidr": subnet.cidr,
    "pools": {
        pool.hypervisor.name: pool.name for pool in StoragePool.objects.filter(is_default=True)
    },
    "deleted": str(Server.objects.exclude(deleted_at=None).latest("deleted_at").pk),
    "servers": {str(server.pk): {
        "host": server.hypervisor.name,
        "port": str(ports[str(server.pk)].pk),
        "mac": ports[str(server.pk)].mac_address,
        "address": ports[str(server.pk)].fixed_ips.get().address,
    } for server in Server.objects.filter(deleted_at=None)},
}))
"""
# Everything that the hosts keep of their servers, to be compared with what is there afterwards.
PHOTOGRAPH = """
export LC_ALL=C
for each in $({virsh} list --all --uuid | sort); do
  echo "@@ domain $each"; {virsh} dumpxml --inactive $each; {virsh} domstate $each; done
for each in $({virsh} nwfilter-list | grep -o 'cp-port-[0-9a-f-]*' | sort); do
  echo "@@ filter $each"; {virsh} nwfilter-dumpxml $each; done
for each in $({virsh} net-list --all --name | sort); do
  echo "@@ network $each"
  for state in --inactive ''; do
    {virsh} net-dumpxml $state $each | grep -v '<host '
    {virsh} net-dumpxml $state $each | grep '<host ' | sort; done
  {virsh} net-info $each | grep -E 'Active|Autostart'; done
{virsh} pool-refresh {pool} >/dev/null
for each in $({virsh} vol-list {pool} | awk '{{print $1}}' | sort); do
  echo "@@ volume $each"; done
"""
PIDS = """
for each in /run/libvirt/qemu/server-*.pid; do
  [ -e "$each" ] && echo "$each $(cat "$each")"; done; true
"""
VIRSH = "virsh -q -c qemu:///system"


@dataclass(frozen=True)
class Expected:
    """What has to be found: `text` is in the summary, where given."""

    kind: str
    server: str | None = None
    host: str | None = None
    text: str = ""

    def matches(self, finding: dict[str, Any]) -> bool:
        """Whether this finding is it."""
        return (
            finding["kind"] == self.kind
            and self.server in (None, finding["server"])
            and self.host in (None, finding["host"])
            and self.text in finding["summary"]
        )


@dataclass
class Scene:
    """The servers to be harmed, what is to be done to them, and what has to come of it."""

    cloud: Cloud
    folder: Path
    seed: int
    facts: dict[str, Any]
    commands: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    statements: list[str] = field(default_factory=list)
    expected: list[Expected] = field(default_factory=list)
    # Guests that may not be the same process afterwards, and what may be new on hosts.
    interrupted: set[str] = field(default_factory=set)
    foreign: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.left = sorted(self.facts["servers"])
        self.random.shuffle(self.left)
        self.hosts = sorted(self.facts["pools"])
        self.random.shuffle(self.hosts)

    @property
    def network(self) -> str:
        """The network that all servers are on."""
        return str(self.facts["network"])

    def take(self, *, without: str = "") -> tuple[str, dict[str, str]]:
        """A server that nothing has been done to yet, not on that host."""
        found = next(each for each in self.left if self.facts["servers"][each]["host"] != without)
        self.left.remove(found)
        return found, self.facts["servers"][found]

    def on(self, host: str, command: str) -> None:
        """Have a shell command run on a host."""
        self.commands[host].append(command)

    def virsh(self, host: str, words: str) -> None:
        """Have virsh do something on a host."""
        self.on(host, f"{VIRSH} {words}")

    def define(self, host: str, what: str, xml: str) -> None:
        """Have virsh define something on a host."""
        path = self.folder / f"{uuid.uuid4()}.xml"
        path.write_text(xml)
        self.virsh(host, f"{what} {path}")

    def new_id(self) -> str:
        """The id of nothing."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def new_mac(self) -> str:
        """The address of no card."""
        return "fa:16:3e:" + ":".join(f"{self.random.randrange(256):02x}" for _ in range(3))

    def do(self) -> None:
        """Do all of it."""
        for host, commands in self.commands.items():
            self.cloud.lab.run("exec", host, "--", "sh", "-ec", "\n".join(commands))
        hosts.ask(self.cloud, "import json\n" + "\n".join(self.statements) + "\nprint('0')")


def facts_of(cloud: Cloud) -> dict[str, Any]:
    """What the database says of the servers."""
    found: dict[str, Any] = hosts.ask(cloud, FACTS)
    return found


def photograph(cloud: Cloud, facts: dict[str, Any]) -> dict[str, str]:
    """All that the hosts keep of servers, by host and thing."""
    found: dict[str, str] = {}
    for host, pool in facts["pools"].items():
        text = cloud.lab.run(
            "exec", host, "--", "sh", "-c", PHOTOGRAPH.format(virsh=VIRSH, pool=pool)
        )
        for part in text.split("@@ ")[1:]:
            title, _, content = part.partition("\n")
            found[f"{host} {title}"] = plain(content)
    return found


def plain(content: str) -> str:
    """A definition without the portal's own record, which has times, and the count of guests."""
    without_record = re.sub(r"<metadata.*?</metadata>", "", content, flags=re.DOTALL)
    return re.sub(r"<network connections='\d+'>", "<network>", without_record)


def processes(cloud: Cloud, facts: dict[str, Any]) -> dict[str, str]:
    """The QEMU process of each server that runs, with its host."""
    found: dict[str, str] = {}
    for host in facts["pools"]:
        for line in cloud.lab.run("exec", host, "--", "sh", "-c", PIDS).splitlines():
            path, _, number = line.partition(" ")
            found[Path(path).stem.removeprefix("server-")] = f"{host} {number}"
    return found


FINDINGS = """
import json
from integrity.models import Finding
print(json.dumps([{
    "kind": each.kind, "server": str(each.server_id) if each.server_id else None,
    "host": each.hypervisor.name if each.hypervisor else None, "summary": each.summary,
    "policy": each.policy, "error": each.error, "repair": each.repair,
    "first_seen": each.first_seen_at.timestamp(),
    "repaired": each.repaired_at.timestamp() if each.repaired_at else None,
} for each in Finding.objects.filter(first_seen_at__gte=%r).select_related("hypervisor")]))
"""


def findings_since(cloud: Cloud, instant: str) -> list[dict[str, Any]]:
    """What the sweeps have found since then, repaired or not."""
    found: list[dict[str, Any]] = hosts.ask(cloud, FINDINGS % instant)
    return found


def as_text(things: Any) -> str:
    """For the message of an assertion."""
    return json.dumps(things, indent=1, default=str)

"""The lab's wires: a bridge, and for each host a network namespace with one link to it."""

import re
from pathlib import Path

from lab.commands import run, succeeds
from lab.plan import LabPlan, MachinePlan

INTERFACES = Path("/sys/class/net")
NAMESPACES = Path("/run/netns")


def make_bridge(plan: LabPlan) -> None:
    """Make the bridge, unless it is there."""
    if not (INTERFACES / plan.bridge).exists():
        run("ip", "link", "add", plan.bridge, "type", "bridge", "forward_delay", "0")
    run("ip", "addr", "replace", f"{plan.gateway}/{plan.subnet.prefixlen}", "dev", plan.bridge)
    run("ip", "link", "set", plan.bridge, "up")


def connect(plan: LabPlan, host: MachinePlan) -> None:
    """Give the host its namespace, address and link, as far as it lacks them."""
    if not (NAMESPACES / host.name).exists():
        run("ip", "netns", "add", host.name)
    if not (INTERFACES / host.outer_link).exists():
        peer = ["peer", "name", "eth0", "netns", host.name]
        run("ip", "link", "add", host.outer_link, "type", "veth", *peer)
    run("ip", "link", "set", host.outer_link, "master", plan.bridge, "up")
    inner = [
        "link set lo up",
        f"addr replace {host.address}/{plan.subnet.prefixlen} dev eth0",
        "link set eth0 up",
        f"route replace default via {plan.gateway}",
    ]
    run("ip", "-n", host.name, "-batch", "-", given="\n".join(inner) + "\n")
    # What a machine that runs libvirt's NAT networks has: it forwards between its interfaces.
    run("ip", "netns", "exec", host.name, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1")


def disconnect(host: MachinePlan) -> None:
    """Remove the host's link and namespace."""
    if (INTERFACES / host.outer_link).exists():
        succeeds("ip", "link", "delete", host.outer_link)
    if (NAMESPACES / host.name).exists():
        run("ip", "netns", "delete", host.name)


def remove_bridge(plan: LabPlan) -> None:
    """Remove the bridge, and links to it that no host owns any more."""
    pattern = re.compile(rf"{re.escape(plan.tag)}-([vm]\d+|br)")
    for interface in sorted(path.name for path in INTERFACES.iterdir()):
        if pattern.fullmatch(interface):
            succeeds("ip", "link", "delete", interface)


def connected_hosts(plan: LabPlan) -> list[int]:
    """Return the numbers of the hosts that have a namespace on this machine."""
    return _connected(plan, "host")


def connected_machines(plan: LabPlan) -> list[int]:
    """Return the numbers of the portal's machines that have a namespace here."""
    return _connected(plan, "machine")


def _connected(plan: LabPlan, what: str) -> list[int]:
    pattern = re.compile(rf"{re.escape(plan.prefix)}-{what}-([1-9]\d*)")
    names = [path.name for path in NAMESPACES.iterdir()] if NAMESPACES.exists() else []
    return sorted(int(match[1]) for name in names if (match := pattern.fullmatch(name)))


def processes_in(host: MachinePlan) -> list[int]:
    """Return the processes that live in the host's namespace."""
    if not (NAMESPACES / host.name).exists():
        return []
    return [int(word) for word in run("ip", "netns", "pids", host.name).split()]

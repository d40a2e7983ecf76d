"""Repairs of DHCP entries."""

from __future__ import annotations

from hypervisors import links
from integrity.repairs.work import Work


def ensure(work: Work) -> None:
    """Give a card its address; whoever else has it does not have it any more."""
    network, mac, address = (work.args[name] for name in ("network", "mac", "address"))
    for entry in links.dhcp_hosts_on(work.host, network):
        if entry.ip == address and entry.mac != mac:
            links.remove_dhcp_host(work.host, network, mac=entry.mac)
    hostname = work.server().hostname
    links.ensure_dhcp_host(work.host, network, mac=mac, ip=address, hostname=hostname or None)


def remove(work: Work) -> None:
    """Take the address of a card that is gone away."""
    links.remove_dhcp_host(work.host, work.args["network"], mac=work.args["mac"])

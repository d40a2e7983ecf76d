"""Make what the host has for a server's ports what the rows say: networks, filters, addresses."""

from __future__ import annotations

from hypervisors import links
from hypervisors.models import Hypervisor
from networks import wiring
from networks.server_ports import ports_of
from operations.kinds import Context
from servers.models import Server
from servers.operations.guest_change import Change
from servers.rewire import REWIRE


def _rewire(server: Server, host: Hypervisor, context: Context) -> None:
    wiring.wire_ports(hypervisor=host, server_id=server.pk)
    leases = wiring.leases_of(server.pk)
    given = {lease.mac for lease in leases}
    for port in ports_of(server.pk):
        if port.mac_address not in given:
            name = wiring.libvirt_network_name(port.network_id)
            links.remove_dhcp_host(host, name, mac=port.mac_address)
    wiring.lease_addresses(hypervisor=host, leases=leases, hostname=server.hostname)


REWIRE_PORTS = Change(REWIRE, "compute_inject_network_info", _rewire).operation()

"""What a server's networks ask of hosts at this moment: its ports come and go."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from networks.models import Network, NetworkType
from scheduling.request_spec import RequestSpec


def with_networks(spec: RequestSpec, server_id: UUID) -> RequestSpec:
    """The request with the physical networks that the server's ports lie on."""
    rows = Network.objects.filter(ports__device_id=str(server_id)).exclude(type=NetworkType.NAT)
    found = set(rows.values_list("type", "physical_network"))
    return replace(
        spec,
        physical_networks=tuple(sorted(name for _, name in found if name)),
        has_tunnels=any(kind == NetworkType.VXLAN for kind, _ in found),
    )

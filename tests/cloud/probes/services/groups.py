"""What the services beside compute are asked: the rows of their tables, and the columns."""

from __future__ import annotations

from dataclasses import dataclass

from tests.cloud.probes.command import CommandColumn
from tests.cloud.probes.table import Column

# Of the compute API only what Ansible has modules for: its own table is of all its groups.
COMPUTE = (
    *("servers", "server actions", "key pairs", "flavors", "server groups", "aggregates", "quotas"),
)
IDENTITY = (
    *("token", "catalog", "domains", "projects", "project tags", "users", "own password"),
    *("groups", "roles", "role assignments", "inherited assignments", "implied roles"),
    *("application credentials", "access rules", "services, endpoints, regions"),
    *("credentials", "trusts", "limits"),
)
IMAGE = (
    *(
        "versions, schemas",
        "create, upload, download, delete",
        "properties, tags",
        "lists, filters",
    ),
    *("visibility, members", "deactivate, reactivate", "import: glance-direct"),
    *("import: web-download", "stores", "usage", "metadata definitions", "tasks"),
)
NETWORK = (
    *("extensions", "networks", "subnets", "subnets: IPv6", "ports", "security groups", "routers"),
    *("floating IPs", "tags", "quotas", "availability zones", "agents", "shared by RBAC"),
    *("address pairs, port security", "auto-allocated topology", "subnet pools", "address groups"),
    *("trunks", "QoS policies", "load balancers"),
)
VOLUME = (
    *("versions", "volumes", "metadata", "extend", "read-only, bootable", "snapshots"),
    *("revert to a snapshot", "types, extra specs", "type access", "default type", "retype"),
    *("transfers", "attachments", "to and from images", "quotas", "limits", "summary", "services"),
    *("pools", "availability zones", "messages", "reset state", "backups", "groups"),
    *("consistency groups", "QoS specs"),
)
GROUPS = {
    "identity": IDENTITY,
    "image": IMAGE,
    "network": NETWORK,
    "volume": VOLUME,
    "compute": COMPUTE,
}


@dataclass
class ServiceColumn(Column):
    """One client that asks one service; it needs no server."""

    service: str = ""

    @property
    def own(self) -> str:
        """A name that no other column has."""
        return f"probe-{self.service}-{self.name}"


@dataclass
class ServiceCommandColumn(ServiceColumn, CommandColumn):
    """The command."""

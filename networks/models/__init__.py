"""Networks, subnets, ports, their addresses, and security groups."""

from networks.models.networks import Ipv6Mode, Network, NetworkQuerySet, NetworkType, Subnet
from networks.models.places import FloatingPlace, NetworkPlace, PortPlace
from networks.models.ports import (
    FixedIP,
    GroupChange,
    Port,
    PortStatus,
    SecurityGroup,
    SecurityGroupRule,
)
from networks.models.routers import FloatingIP, Router
from networks.models.sharing import NetworkShare, Tag

__all__ = [
    "FixedIP",
    "FloatingIP",
    "FloatingPlace",
    "GroupChange",
    "Ipv6Mode",
    "Network",
    "NetworkPlace",
    "NetworkQuerySet",
    "NetworkShare",
    "NetworkType",
    "Port",
    "PortPlace",
    "PortStatus",
    "Router",
    "SecurityGroup",
    "SecurityGroupRule",
    "Subnet",
    "Tag",
]

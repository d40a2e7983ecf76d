"""Networks and their subnets."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.apps import apps
from django.db import models
from django.utils import timezone


class NetworkType(models.TextChoices):
    """What a network is made of on hosts."""

    # Each host has its own, behind its own address.
    NAT = "nat"
    # A bridge that each host has already.
    FLAT = "flat"
    # One for all hosts, on an interface that carries VLANs.
    VLAN = "vlan"
    # One for all hosts, in tunnels from each to each.
    VXLAN = "vxlan"


class Ipv6Mode(models.TextChoices):
    """How guests come by their IPv6 addresses; the wire's own words."""

    # They make them of the prefix that hosts advertise, and of their card's address.
    SLAAC = "slaac"
    # The same, and they ask hosts for the rest.
    STATELESS = "dhcpv6-stateless"
    # Hosts give them.
    STATEFUL = "dhcpv6-stateful"


class NetworkQuerySet(models.QuerySet["Network"]):
    """Queries over networks."""

    def usable_by(self, project_id: str | None) -> NetworkQuerySet:
        """The networks that servers of the project may be on: its own and the shared ones.

        External networks are outside the hosts: nobody's servers are on them.
        """
        return self.filter(seen_by(project_id), is_external=False)

    def seen_by(self, project_id: str | None) -> NetworkQuerySet:
        """Those, and the external ones, where floating IPs come from."""
        return self.filter(seen_by(project_id) | models.Q(is_external=True))


def seen_by(project_id: str | None, network: str = "") -> models.Q:
    """What the project has or is given, of networks, or of rows whose `network` that is.

    As a condition on ids: joined, a network with several shares would be found several times.
    """
    given = apps.get_model("networks", "NetworkShare").objects.filter(
        target_project_id__in=[project_id, "*"]
    )
    prefix = f"{network}__" if network else ""
    return (
        models.Q(**{f"{prefix}project_id": project_id})
        | models.Q(**{f"{prefix}is_shared": True})
        | models.Q(**{f"{prefix}id__in": given.values("network_id")})
    )


class Network(models.Model):
    """A layer-2 network, which each host makes for itself when first needed.

    An external one is made by nobody: it is what lies beyond the hosts. There `physical_network`
    names the interface or bridge of the hosts that lies on it; "" is the one by which a host
    reaches the subnet's gateway. `segment` is the number of a VLAN or VXLAN network.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=255, blank=True, default="")
    description = models.CharField(max_length=255, blank=True, default="")
    project_id = models.CharField(max_length=64, db_index=True)
    is_shared = models.BooleanField(default=False)
    is_external = models.BooleanField(default=False)
    type = models.CharField(max_length=8, choices=NetworkType.choices, default=NetworkType.NAT)
    physical_network = models.CharField(max_length=64, blank=True, default="")
    segment = models.PositiveIntegerField("segmentation id", null=True, blank=True)
    is_up = models.BooleanField("admin state up", default=True)
    mtu = models.PositiveIntegerField(default=1500)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    revision = models.PositiveIntegerField(default=1, editable=False)

    objects: ClassVar[models.Manager[Network]] = NetworkQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["physical_network"],
                condition=models.Q(type="flat"),
                name="flat_network_once",
            ),
            models.UniqueConstraint(
                fields=["physical_network", "segment"],
                condition=models.Q(type="vlan"),
                name="vlan_once",
            ),
            models.UniqueConstraint(
                fields=["segment"], condition=models.Q(type="vxlan"), name="vxlan_once"
            ),
            models.CheckConstraint(
                # What is null compares as neither true nor false, which a constraint lets pass.
                condition=models.Q(type__in=["nat", "flat"], segment__isnull=True)
                | (
                    models.Q(segment__isnull=False, segment__gte=1)
                    & (
                        models.Q(type="vlan", segment__lte=4094)
                        | models.Q(type="vxlan", segment__lte=16777215)
                    )
                ),
                name="segment_of_its_type",
            ),
            models.CheckConstraint(
                condition=models.Q(type="nat")
                | models.Q(type="vxlan", physical_network="")
                | (models.Q(type__in=["flat", "vlan"]) & ~models.Q(physical_network="")),
                name="physical_network_of_its_type",
            ),
        ]

    def __str__(self) -> str:
        return self.name or str(self.id)

    @property
    def is_routed_by_hosts(self) -> bool:
        """Whether each host is the gateway for its own servers; else somebody outside is."""
        return self.type in (NetworkType.NAT, NetworkType.VXLAN)


class Subnet(models.Model):
    """A range of addresses on a network; `cidr` and addresses as text in canonical form."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    network = models.ForeignKey(Network, models.CASCADE, related_name="subnets")
    name = models.CharField(max_length=255, blank=True, default="")
    description = models.CharField(max_length=255, blank=True, default="")
    project_id = models.CharField(max_length=64, db_index=True)
    ip_version = models.PositiveSmallIntegerField(default=4)
    cidr = models.CharField(max_length=64)
    gateway_ip = models.GenericIPAddressField(null=True, blank=True)
    has_dhcp = models.BooleanField(default=True)
    # Of IPv6 alone; "" leaves the addresses to the config drive.
    ipv6_mode = models.CharField(
        "IPv6 mode", max_length=16, choices=Ipv6Mode.choices, blank=True, default=""
    )
    # From where hosts answer DHCP, where the gateway is not theirs; no port has it.
    dhcp_address = models.GenericIPAddressField(null=True, blank=True)
    # [[first, last], …], inclusive.
    allocation_pools = models.JSONField(default=list)
    dns_nameservers = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    revision = models.PositiveIntegerField(default=1, editable=False)

    class Meta:
        constraints = [
            # Two requests racing to give a network its range may not both do so.
            models.UniqueConstraint(
                fields=["network", "ip_version"], name="one_subnet_of_a_family"
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.cidr

    @property
    def is_automatic(self) -> bool:
        """Whether a card's own address decides the address that it has here."""
        return self.ipv6_mode in (Ipv6Mode.SLAAC, Ipv6Mode.STATELESS)

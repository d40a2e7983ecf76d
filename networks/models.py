"""Networks, subnets, ports, their addresses, and security groups."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.utils import timezone

from hypervisors.models import Hypervisor


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
        return self.filter(
            models.Q(project_id=project_id) | models.Q(is_shared=True), is_external=False
        )

    def seen_by(self, project_id: str | None) -> NetworkQuerySet:
        """Those, and the external ones, where floating IPs come from."""
        return self.filter(
            models.Q(project_id=project_id) | models.Q(is_shared=True) | models.Q(is_external=True)
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


class SecurityGroup(models.Model):
    """A named set of rules that ports follow; every project has one called `default`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    project_id = models.CharField(max_length=64, db_index=True)
    name = models.CharField(max_length=255)
    description = models.CharField(max_length=255, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    revision = models.PositiveIntegerField(default=1, editable=False)

    class Meta:
        constraints = [
            # Other names may repeat; two requests racing to make the default group may not.
            models.UniqueConstraint(
                fields=["project_id"],
                condition=models.Q(name="default"),
                name="one_default_security_group",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class SecurityGroupRule(models.Model):
    """Traffic that a group lets through; what no rule names is dropped."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    group = models.ForeignKey(SecurityGroup, models.CASCADE, related_name="rules")
    direction = models.CharField(
        max_length=8, choices=[("ingress", "ingress"), ("egress", "egress")]
    )
    ethertype = models.CharField(max_length=4, choices=[("IPv4", "IPv4"), ("IPv6", "IPv6")])
    protocol = models.CharField(max_length=16, blank=True, default="")
    port_range_min = models.PositiveIntegerField(null=True, blank=True)
    port_range_max = models.PositiveIntegerField(null=True, blank=True)
    remote_ip_prefix = models.CharField(max_length=64, blank=True, default="")
    # The other side is whoever has a port in this group; instead of a prefix.
    remote_group = models.ForeignKey(
        SecurityGroup, models.CASCADE, null=True, blank=True, related_name="remote_rules"
    )
    description = models.CharField(max_length=255, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return f"{self.direction} {self.ethertype} {self.protocol or 'any'}"


class PortStatus(models.TextChoices):
    """The wire's own words."""

    ACTIVE = "ACTIVE"
    DOWN = "DOWN"
    BUILD = "BUILD"
    ERROR = "ERROR"


class Port(models.Model):
    """A network interface: a MAC address, its fixed IPs, and the server it belongs to."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    network = models.ForeignKey(Network, models.PROTECT, related_name="ports")
    project_id = models.CharField(max_length=64, db_index=True)
    name = models.CharField(max_length=255, blank=True, default="")
    description = models.CharField(max_length=255, blank=True, default="")
    mac_address = models.CharField(max_length=17)
    # The server's uuid in text form, or "" while unbound.
    device_id = models.CharField(max_length=255, blank=True, default="", db_index=True)
    device_owner = models.CharField(max_length=255, blank=True, default="")
    device_index = models.PositiveSmallIntegerField(default=0)
    tag = models.CharField(max_length=60, blank=True, default="")
    # A port made for a server goes with it; one made beforehand is only unbound.
    made_for_server = models.BooleanField(default=False)
    host = models.CharField(max_length=255, blank=True, default="")
    status = models.CharField(max_length=8, choices=PortStatus.choices, default=PortStatus.DOWN)
    is_up = models.BooleanField("admin state up", default=True)
    has_port_security = models.BooleanField(default=True)
    security_groups = models.ManyToManyField(SecurityGroup, related_name="ports", blank=True)
    # How often what its filter should be has changed, and how much of that its host has.
    filter_wanted = models.PositiveIntegerField(default=0, editable=False)
    filter_applied = models.PositiveIntegerField(default=0, editable=False)
    filter_applied_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    revision = models.PositiveIntegerField(default=1, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["network", "mac_address"], name="port_mac_on_network"),
        ]

    def __str__(self) -> str:
        return self.name or str(self.id)


class FixedIP(models.Model):
    """An address taken by a port; the constraint, not a check beforehand, keeps it single."""

    port = models.ForeignKey(Port, models.CASCADE, related_name="fixed_ips")
    subnet = models.ForeignKey(Subnet, models.PROTECT, related_name="fixed_ips")
    address = models.GenericIPAddressField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subnet", "address"], name="fixed_ip_once"),
        ]

    def __str__(self) -> str:
        return self.address


class GroupChange(models.Model):
    """A group whose rules, or members alone, changed; taken away once the ports know that.

    A row a change, so that those who change the same group do not wait for each other.
    """

    group_id = models.UUIDField()
    is_of_members = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return str(self.group_id)


class Router(models.Model):
    """Joins networks to an external one: what lets their ports have its floating IPs.

    The work itself is each host's own: the NAT that libvirt does there for every network.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    project_id = models.CharField(max_length=64, db_index=True)
    name = models.CharField(max_length=255, blank=True, default="")
    description = models.CharField(max_length=255, blank=True, default="")
    external_network = models.ForeignKey(
        Network, models.PROTECT, null=True, blank=True, related_name="routers"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    revision = models.PositiveIntegerField(default=1, editable=False)

    def __str__(self) -> str:
        return self.name or str(self.id)


class FloatingIP(models.Model):
    """An address of an external network that a project has, and the port it leads to, if any."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    project_id = models.CharField(max_length=64, db_index=True)
    description = models.CharField(max_length=255, blank=True, default="")
    network = models.ForeignKey(Network, models.PROTECT, related_name="floating_ips")
    subnet = models.ForeignKey(Subnet, models.PROTECT, related_name="floating_ips")
    address = models.GenericIPAddressField()
    # The three are set together, or none is; whoever deletes a port clears them before.
    port = models.ForeignKey(
        Port, models.PROTECT, null=True, blank=True, related_name="floating_ips"
    )
    fixed_address = models.GenericIPAddressField(null=True, blank=True)
    router = models.ForeignKey(
        Router, models.PROTECT, null=True, blank=True, related_name="floating_ips"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    revision = models.PositiveIntegerField(default=1, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subnet", "address"], name="floating_ip_once"),
            # Two addresses of one network for the same fixed IP would leave its way out open.
            models.UniqueConstraint(
                fields=["network", "port", "fixed_address"], name="fixed_ip_floats_once"
            ),
        ]

    def __str__(self) -> str:
        return self.address


class FloatingPlace(models.Model):
    """A floating IP on a host: noted before the host is told, kept until the host has it no more.

    It needs no other row, so that a host which comes back late still has what is due there.
    """

    host = models.CharField(max_length=255, db_index=True)
    address = models.GenericIPAddressField()
    fixed_address = models.GenericIPAddressField()
    # The port's own network, as far as its range goes.
    cidr = models.CharField(max_length=64)
    port_id = models.UUIDField()
    physical_network = models.CharField(max_length=64, blank=True, default="")
    gateway_ip = models.GenericIPAddressField()
    is_leaving = models.BooleanField(default=False)
    # How often what the host should have has changed, and how much of that it has.
    wanted = models.PositiveIntegerField(default=1)
    applied = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["host", "address"], name="floating_place_once"),
            # Never on two hosts, but for one that has not been heard of since it had to let go.
            models.UniqueConstraint(
                fields=["address"],
                condition=models.Q(is_leaving=False),
                name="floating_ip_on_one_host",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.address} on {self.host}"


class PortPlace(models.Model):
    """A port that a host has, or is about to have, something of; only on networks of several hosts.

    By id, as the port's row may go before its host has let go of it.
    """

    port_id = models.UUIDField()
    network_id = models.UUIDField()
    hypervisor = models.ForeignKey(Hypervisor, models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["port_id", "hypervisor"], name="port_place_once"),
        ]
        indexes = [models.Index(fields=["network_id", "hypervisor"], name="port_place_network")]

    def __str__(self) -> str:
        return f"{self.port_id} on {self.hypervisor}"


class NetworkPlace(models.Model):
    """A network of several hosts on one of them: from its first port there until after the last."""

    network_id = models.UUIDField()
    hypervisor = models.ForeignKey(Hypervisor, models.CASCADE, related_name="+")
    # It has no port there any more, and goes; who wants it meanwhile waits until it has gone.
    is_leaving = models.BooleanField(default=False)
    # How often what the host should have of it has changed, and how much of that it was told.
    wanted = models.PositiveIntegerField(default=1)
    applied = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["network_id", "hypervisor"], name="network_place_once"),
        ]

    def __str__(self) -> str:
        return f"{self.network_id} on {self.hypervisor}"

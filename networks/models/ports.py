"""Ports, their addresses, and the security groups that they follow."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from networks.models.networks import Network, Subnet


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
    # [[MAC address, address or network], …] that its guest may send as besides.
    address_pairs = models.JSONField(default=list, blank=True)
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

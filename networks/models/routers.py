"""Routers and floating IPs."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from networks.models.networks import Network, Subnet
from networks.models.ports import Port


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

"""What hosts have of floating IPs and of networks that lie on several of them."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from hypervisors.models import Hypervisor


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

"""What servers hold of a host, and why they were put there; and what its devices are called."""

from __future__ import annotations

import uuid
from fnmatch import fnmatchcase

from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone

from hypervisors.models import Hypervisor
from hypervisors.pci import PciDevice

PCI_ID = r"\A[0-9a-f]{4}\Z"
_PATTERNS = r"\A[0-9a-f:.*?\[\]-]+( +[0-9a-f:.*?\[\]-]+)*\Z"


class Allocation(models.Model):
    """What one server holds of one host: the truth that the host's counters are rebuilt from."""

    server_id = models.UUIDField()
    hypervisor = models.ForeignKey(Hypervisor, models.PROTECT, related_name="allocations")
    vcpus = models.PositiveIntegerField()
    ram_mib = models.PositiveIntegerField()
    disk_gib = models.PositiveIntegerField()
    # What it holds of the host's cells: placements as JSON (`hypervisors.numa.NumaPlacement`). More
    # than one only while it changes its size on its host.
    numa = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["server_id", "hypervisor"], name="allocation_once"),
        ]

    def __str__(self) -> str:
        return f"{self.server_id} on {self.hypervisor}"


class PciAlias(models.Model):
    """A name by which flavors ask for PCI devices, and which devices of hosts it stands for."""

    name = models.CharField(
        max_length=64, unique=True, validators=[RegexValidator(r"\A[A-Za-z0-9][A-Za-z0-9_.-]*\Z")]
    )
    vendor_id = models.CharField("vendor", max_length=4, validators=[RegexValidator(PCI_ID)])
    product_id = models.CharField("product", max_length=4, validators=[RegexValidator(PCI_ID)])
    # Patterns, apart by blanks: a host may need some devices of that kind itself.
    addresses = models.CharField(
        max_length=255,
        blank=True,
        default="",
        validators=[RegexValidator(_PATTERNS)],
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        verbose_name = "PCI alias"
        verbose_name_plural = "PCI aliases"

    def __str__(self) -> str:
        return self.name

    def stands_for(self, device: PciDevice) -> bool:
        """Whether the device is of its kind, and at an address of one of its patterns."""
        patterns = self.addresses.split() or ["*"]
        return (self.vendor_id, self.product_id) == (device.vendor_id, device.product_id) and any(
            fnmatchcase(device.address, pattern) for pattern in patterns
        )


class PciClaim(models.Model):
    """A device of a host that a server has, or is to have: it is nobody else's meanwhile."""

    allocation = models.ForeignKey(Allocation, models.CASCADE, related_name="pci_claims")
    hypervisor = models.ForeignKey(Hypervisor, models.CASCADE, related_name="pci_claims")
    address = models.CharField(max_length=16)
    # What it answers, as in the server's request spec. While the server changes its size on its
    # host it may have devices for two.
    request = models.CharField(max_length=255)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["hypervisor", "address"], name="pci_device_once"),
        ]
        verbose_name = "PCI claim"
        verbose_name_plural = "PCI claims"

    def __str__(self) -> str:
        return f"{self.address} of {self.hypervisor}"


class Decision(models.Model):
    """A scheduling decision with its reasons.

    `filters`: as in `scheduling.choose.Choice`, in the order they were asked.
    `weights`: [{host, total, weights: {weigher: value}}], best first.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    server_id = models.UUIDField(db_index=True)
    operation_id = models.UUIDField(null=True)
    request_id = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now)
    candidates = models.PositiveIntegerField(default=0)
    filters = models.JSONField(default=list)
    weights = models.JSONField(default=list)
    chosen = models.CharField(max_length=255, blank=True, default="")
    alternates = models.JSONField(default=list)
    summary = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.summary or str(self.id)

"""Hosts with libvirt, their storage pools, the zones they stand in, and the images they hold."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F
from django.db.models.functions import Floor
from django.utils import timezone

DEFAULT_ZONE = "nova"
# What the kernel takes for a name, or for another name, of an interface.
INTERFACE = r"\A[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,63}\Z"


class VirtType(models.TextChoices):
    """How guests run: by hardware (kvm), in software (qemu), or whichever the host can do."""

    AUTO = "auto"
    KVM = "kvm"
    QEMU = "qemu"


class HostState(models.TextChoices):
    """Whether the host answered when it was last looked at."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


class HypervisorQuerySet(models.QuerySet["Hypervisor"]):
    """Queries over hypervisors."""

    def ready(self) -> HypervisorQuerySet:
        """Those that may be given new servers: up, enabled, not in maintenance."""
        return self.filter(
            state=HostState.UP, is_enabled=True, in_maintenance=False, is_forced_down=False
        )

    def with_capacity(self) -> HypervisorQuerySet:
        """Annotate `vcpus_free`, `ram_mib_free`, `disk_gib_free`; ratios and reserves applied."""
        return self.annotate(
            vcpus_free=Floor(F("vcpus") * F("cpu_ratio")) - F("reserved_vcpus") - F("vcpus_used"),
            ram_mib_free=Floor(F("ram_mib") * F("ram_ratio"))
            - F("reserved_ram_mib")
            - F("ram_mib_used"),
            disk_gib_free=Floor(F("disk_gib") * F("disk_ratio"))
            - F("reserved_disk_gib")
            - F("disk_gib_used"),
        )


class Hypervisor(models.Model):
    """A host that runs servers, reached by its libvirt URI.

    `*_used` is what servers have claimed, changed only together with their Allocation rows.
    Disk figures are of the default storage pool.
    """

    uuid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=255, unique=True)
    uri = models.CharField("libvirt URI", max_length=512, unique=True)
    virt_type = models.CharField(max_length=8, choices=VirtType.choices, default=VirtType.AUTO)
    cpu_ratio = models.FloatField(default=4.0, validators=[MinValueValidator(0.01)])
    ram_ratio = models.FloatField(default=1.0, validators=[MinValueValidator(0.01)])
    disk_ratio = models.FloatField(default=1.0, validators=[MinValueValidator(0.01)])
    reserved_vcpus = models.PositiveIntegerField(default=0)
    reserved_ram_mib = models.PositiveIntegerField(default=512)
    reserved_disk_gib = models.PositiveIntegerField(default=0)
    is_enabled = models.BooleanField("enabled", default=True)
    disabled_reason = models.CharField(max_length=255, blank=True, default="")
    in_maintenance = models.BooleanField(default=False)
    # Told from outside that the host is dead, whatever it looks like from here.
    is_forced_down = models.BooleanField("forced down", default=False)
    max_concurrent_builds = models.PositiveSmallIntegerField(
        default=4, validators=[MinValueValidator(1)]
    )
    # What switches the host off, sealed: passwords may be among its words (`fence_command.py`).
    sealed_fence_command = models.TextField(blank=True, default="", editable=False)
    fence_timeout_s = models.PositiveSmallIntegerField(
        "seconds a fence command may take",
        default=60,
        validators=[MinValueValidator(1), MaxValueValidator(600)],
    )
    fence_after_s = models.PositiveIntegerField(
        "seconds down before the host is fenced", default=180, validators=[MinValueValidator(10)]
    )
    labels = models.JSONField(default=dict, blank=True)
    # Where other hosts send the frames of VXLAN networks; none is the address in its URI.
    tunnel_address = models.GenericIPAddressField(null=True, blank=True)
    # The accepted public host keys, as known_hosts lines; empty until an administrator accepts.
    host_keys = models.TextField(blank=True, default="", editable=False)

    # Found out by looking at the host.
    state = models.CharField(
        max_length=8, choices=HostState.choices, default=HostState.UNKNOWN, editable=False
    )
    state_reason = models.CharField(max_length=1024, blank=True, default="", editable=False)
    state_since = models.DateTimeField(null=True, editable=False)
    last_seen_at = models.DateTimeField(null=True, editable=False)
    looked_at = models.DateTimeField(null=True, editable=False)
    inventory_at = models.DateTimeField(null=True, editable=False)
    hostname = models.CharField(max_length=255, blank=True, default="", editable=False)
    host_ip = models.CharField(max_length=64, blank=True, default="", editable=False)
    arch = models.CharField(max_length=32, blank=True, default="", editable=False)
    domain_type = models.CharField(max_length=8, blank=True, default="", editable=False)
    libvirt_version = models.PositiveIntegerField(default=0, editable=False)
    qemu_version = models.PositiveIntegerField(default=0, editable=False)
    # Capabilities that filters and the domain builder need: machine types, CPU model, firmware.
    capabilities = models.JSONField(default=dict, editable=False)
    vcpus = models.PositiveIntegerField(default=0, editable=False)
    ram_mib = models.PositiveIntegerField(default=0, editable=False)
    disk_gib = models.PositiveIntegerField(default=0, editable=False)
    vcpus_used = models.PositiveIntegerField(default=0, editable=False)
    ram_mib_used = models.PositiveIntegerField(default=0, editable=False)
    disk_gib_used = models.PositiveIntegerField(default=0, editable=False)
    running_servers = models.PositiveIntegerField(default=0, editable=False)
    build_failures = models.PositiveIntegerField(default=0, editable=False)
    # The boot of its kernel that was seen last, and when it was first seen; "" is not known.
    boot_id = models.CharField(max_length=64, blank=True, default="", editable=False)
    booted_at = models.DateTimeField(null=True, editable=False)
    # Since when it is proven to be off, by its fence command; while it is, it is forced down too.
    fenced_at = models.DateTimeField(null=True, editable=False)
    # How far the restart of its servers elsewhere has come, or what that waits for.
    fence_note = models.CharField(max_length=1024, blank=True, default="", editable=False)
    # The keeper that watches the host, and until when it does without saying so again.
    watcher = models.CharField(max_length=96, blank=True, default="", editable=False)
    watched_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[models.Manager[Hypervisor]] = HypervisorQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def condition(self) -> str:
        """The one word for administrators: what keeps new servers away, or "up"."""
        if self.is_forced_down:
            return "fenced" if self.fenced_at else "forced down"
        if self.state != HostState.UP:
            return str(self.state)
        if self.in_maintenance:
            return "maintenance"
        return "up" if self.is_enabled else "disabled"

    @property
    def reasons(self) -> str:
        """For administrators: why it is down or disabled, and what becomes of its servers."""
        return " ".join(filter(None, [self.state_reason or self.disabled_reason, self.fence_note]))


class PhysicalNetwork(models.Model):
    """A network outside, under the name that all hosts have for it, and where it is on this one."""

    hypervisor = models.ForeignKey(Hypervisor, models.CASCADE, related_name="physical_networks")
    name = models.CharField(max_length=64, validators=[RegexValidator(INTERFACE)])
    interface = models.CharField(
        "interface or bridge", max_length=64, validators=[RegexValidator(INTERFACE)]
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["hypervisor", "name"], name="physical_network_on_host"),
        ]

    def __str__(self) -> str:
        return f"{self.name} at {self.interface} of {self.hypervisor}"


class StoragePool(models.Model):
    """A libvirt storage pool on a host; sizes in bytes.

    `source` is what it is made of where that is no directory of the host. Pools of one `store` on
    several hosts have the same files, and the same name; "" is a store of the host's own.
    """

    hypervisor = models.ForeignKey(Hypervisor, models.CASCADE, related_name="pools")
    name = models.CharField(max_length=64)
    type = models.CharField(max_length=16, default="dir")
    source = models.CharField(max_length=512, blank=True, default="", editable=False)
    store = models.CharField(max_length=64, blank=True, default="", editable=False, db_index=True)
    target_path = models.CharField(max_length=512, blank=True, default="")
    is_default = models.BooleanField(default=False)
    capacity = models.PositiveBigIntegerField(default=0, editable=False)
    allocation = models.PositiveBigIntegerField(default=0, editable=False)
    available = models.PositiveBigIntegerField(default=0, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["hypervisor", "name"], name="pool_name_on_host"),
            models.UniqueConstraint(
                fields=["hypervisor"], condition=models.Q(is_default=True), name="one_default_pool"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} on {self.hypervisor}"


class Aggregate(models.Model):
    """A group of hosts; with `availability_zone` set it is what tenants see as a zone."""

    uuid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=255, unique=True)
    availability_zone = models.CharField(max_length=255, blank=True, default="", db_index=True)
    metadata = models.JSONField(default=dict, blank=True)
    hypervisors = models.ManyToManyField(Hypervisor, related_name="aggregates", blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class CachedImage(models.Model):
    """A base image in a pool. The row is the lock: its uploader works, others wait."""

    pool = models.ForeignKey(StoragePool, models.CASCADE, related_name="cached_images")
    image_id = models.UUIDField(db_index=True)
    volume = models.CharField(max_length=128)
    size = models.PositiveBigIntegerField(default=0)
    is_ready = models.BooleanField(default=False)
    # The operation that uploads, and until when nobody else may.
    uploader = models.UUIDField(null=True)
    upload_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pool", "volume"], name="base_image_once_a_pool"),
        ]

    def __str__(self) -> str:
        return f"{self.volume} in {self.pool}"


class BuildSlot(models.Model):
    """A build going on at a host; their number is bounded by `max_concurrent_builds`."""

    hypervisor = models.ForeignKey(Hypervisor, models.CASCADE, related_name="build_slots")
    operation = models.UUIDField(unique=True)
    taken_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.operation} on {self.hypervisor}"


class SshIdentity(models.Model):
    """The portal's own SSH key, one for all web and worker machines; the private part sealed."""

    name = models.CharField(max_length=16, unique=True, default="portal")
    public_key = models.CharField(max_length=255)
    sealed_private_key = models.TextField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return f"{self.name}: {self.public_key}"

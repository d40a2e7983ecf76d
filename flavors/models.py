"""Flavors: the sizes that servers come in."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

MAX_INT = 2**31 - 1


def new_flavor_id() -> str:
    """A fresh flavor id, for flavors made without one."""
    return str(uuid.uuid4())


class FlavorQuerySet(models.QuerySet["Flavor"]):
    """Queries over flavors."""

    def visible_to(self, project_id: str | None) -> FlavorQuerySet:
        """Public flavors, and the private ones shared with the project."""
        shared = FlavorAccess.objects.filter(project_id=project_id or "")
        return self.filter(models.Q(is_public=True) | models.Q(pk__in=shared.values("flavor")))


class Flavor(models.Model):
    """A size: virtual CPUs, memory, disks, and extra specs.

    Units: `ram_mib` and `swap_mib` in MiB, `disk_gib` and `ephemeral_gib` in GiB; a `disk_gib` of 0
    means the size of the image. Servers keep a copy, so a deleted flavor never affects them.
    """

    flavorid = models.CharField("id", max_length=255, unique=True, default=new_flavor_id)
    name = models.CharField(max_length=255, unique=True)
    description = models.TextField(null=True, blank=True, max_length=65535)  # noqa: DJ001 - the wire tells null from ""
    vcpus = models.PositiveIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(MAX_INT)]
    )
    ram_mib = models.PositiveIntegerField(
        "RAM (MiB)", validators=[MinValueValidator(1), MaxValueValidator(MAX_INT)]
    )
    disk_gib = models.PositiveIntegerField("disk (GiB)", validators=[MaxValueValidator(MAX_INT)])
    ephemeral_gib = models.PositiveIntegerField(
        "ephemeral disk (GiB)", default=0, validators=[MaxValueValidator(MAX_INT)]
    )
    swap_mib = models.PositiveIntegerField(
        "swap (MiB)", default=0, validators=[MaxValueValidator(MAX_INT)]
    )
    rxtx_factor = models.FloatField(default=1.0)
    is_public = models.BooleanField(default=True)
    is_disabled = models.BooleanField(default=False)
    extra_specs = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[models.Manager[Flavor]] = FlavorQuerySet.as_manager()

    class Meta:
        ordering = ["flavorid"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(vcpus__gte=1, ram_mib__gte=1), name="flavor_has_cpu_and_ram"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def snapshot(self) -> dict[str, Any]:
        """The copy that a server keeps of its flavor (JSON)."""
        return {
            "flavorid": self.flavorid,
            "name": self.name,
            "vcpus": self.vcpus,
            "ram_mib": self.ram_mib,
            "disk_gib": self.disk_gib,
            "ephemeral_gib": self.ephemeral_gib,
            "swap_mib": self.swap_mib,
            "rxtx_factor": self.rxtx_factor,
            "extra_specs": dict(self.extra_specs),
        }


class FlavorAccess(models.Model):
    """A project that may use a private flavor."""

    flavor = models.ForeignKey(Flavor, models.CASCADE, related_name="access")
    project_id = models.CharField(max_length=64, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["flavor", "project_id"], name="flavor_access_once"),
        ]

    def __str__(self) -> str:
        return f"{self.flavor} for {self.project_id}"

"""Make a flavor."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

import flavors.rules  # noqa: F401 - declares the rules
from flavors.errors import FlavorExists, InvalidFlavor
from flavors.models import MAX_INT, Flavor, new_flavor_id
from identity import policy
from identity.actors import Actor

MAX_FLOAT = 3.40282e38


@dataclass(frozen=True, kw_only=True)
class NewFlavor:
    """What a flavor is to be; without `flavorid` it gets a fresh one."""

    name: str
    vcpus: int
    ram_mib: int
    disk_gib: int
    ephemeral_gib: int = 0
    swap_mib: int = 0
    rxtx_factor: float = 1.0
    is_public: bool = True
    flavorid: str | None = None
    description: str | None = None


def create_flavor(*, wanted: NewFlavor, actor: Actor, now: datetime) -> Flavor:
    """Make a flavor; a private one is shared with nobody at first.

    Raises:
        Forbidden: only administrators make flavors.
        InvalidFlavor: a size is out of its range.
        FlavorExists: the id or the name is taken.
    """
    policy.require(actor, "os_compute_api:os-flavor-manage:create")
    _check_ranges(wanted)
    flavor = Flavor(
        flavorid=wanted.flavorid or new_flavor_id(),
        name=wanted.name,
        description=wanted.description,
        vcpus=wanted.vcpus,
        ram_mib=wanted.ram_mib,
        disk_gib=wanted.disk_gib,
        ephemeral_gib=wanted.ephemeral_gib,
        swap_mib=wanted.swap_mib,
        rxtx_factor=wanted.rxtx_factor,
        is_public=wanted.is_public,
        created_at=now,
    )
    try:
        with transaction.atomic():
            flavor.save(force_insert=True)
    except IntegrityError as error:
        raise _taken(flavor) from error
    return flavor


def _check_ranges(wanted: NewFlavor) -> None:
    smallest = {"vcpus": 1, "ram_mib": 1, "disk_gib": 0, "ephemeral_gib": 0, "swap_mib": 0}
    for field, minimum in smallest.items():
        if not minimum <= getattr(wanted, field) <= MAX_INT:
            word = field.removesuffix("_mib").removesuffix("_gib")
            raise InvalidFlavor(
                f"Invalid input received: '{word}' must be between {minimum} and {MAX_INT}."
            )
    if not (math.isfinite(wanted.rxtx_factor) and 0 < wanted.rxtx_factor <= MAX_FLOAT):
        raise InvalidFlavor(
            "Invalid input received: 'rxtx_factor' argument must be a float greater than 0."
        )


def _taken(flavor: Flavor) -> FlavorExists:
    if Flavor.objects.filter(flavorid=flavor.flavorid).exists():
        return FlavorExists(f"Flavor with ID {flavor.flavorid} already exists.")
    return FlavorExists(f"Flavor with name {flavor.name} already exists.")

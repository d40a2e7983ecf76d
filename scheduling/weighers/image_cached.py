"""Does a pool of the host hold the image already? Then the build need not bring it there."""

from typing import Any

from django.db.models import Case, Exists, FloatField, OuterRef, Q, Value, When

from hypervisors.models import CachedImage, StoragePool
from scheduling.request_spec import RequestSpec
from scheduling.weighers import Weigher


def _value(spec: RequestSpec) -> Any:
    if not spec.image_id:
        return Value(0.0, output_field=FloatField())
    # One of several hosts with the same files has the record of what they all have.
    pools = StoragePool.objects.filter(hypervisor=OuterRef(OuterRef("pk"))).exclude(store="")
    cached = CachedImage.objects.filter(
        Q(pool__hypervisor=OuterRef("pk")) | Q(pool__store__in=pools.values("store")),
        image_id=spec.image_id,
        is_ready=True,
    )
    return Case(
        When(Exists(cached), then=Value(1.0)), default=Value(0.0), output_field=FloatField()
    )


# Light: a warm cache decides between equals, and never piles all servers on one host.
IMAGE_CACHED = Weigher("image_cached", 0.3, _value)

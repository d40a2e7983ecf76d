"""Does a pool of the host hold the image already? Then the build need not bring it there."""

from typing import Any

from django.db.models import Case, Exists, FloatField, OuterRef, Value, When

from hypervisors.models import CachedImage
from scheduling.request_spec import RequestSpec
from scheduling.weighers import Weigher


def _value(spec: RequestSpec) -> Any:
    if not spec.image_id:
        return Value(0.0, output_field=FloatField())
    cached = CachedImage.objects.filter(
        pool__hypervisor=OuterRef("pk"), image_id=spec.image_id, is_ready=True
    )
    return Case(
        When(Exists(cached), then=Value(1.0)), default=Value(0.0), output_field=FloatField()
    )


# Light: a warm cache decides between equals, and never piles all servers on one host.
IMAGE_CACHED = Weigher("image_cached", 0.3, _value)

"""Have builds failed there lately? Fewer is better."""

from typing import Any

from django.db.models import F, FloatField, Value
from django.db.models.functions import Cast

from scheduling.request_spec import RequestSpec
from scheduling.weighers import Weigher


def _value(spec: RequestSpec) -> Any:
    return Value(1.0) / (Cast(F("build_failures"), FloatField()) + Value(1.0))


BUILD_FAILURES = Weigher("build_failures", 2.0, _value)

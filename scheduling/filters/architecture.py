"""Can the host run the image: its architecture, way of virtualisation, firmware, machine type?"""

from django.db.models import Q, Value
from django.db.models.functions import StrIndex
from django.db.models.lookups import GreaterThan

from scheduling.filters import Filter
from scheduling.filters.facts import known
from scheduling.request_spec import RequestSpec


def _condition(spec: RequestSpec) -> Q | None:
    condition = Q()
    if spec.arch:
        condition &= Q(arch=spec.arch)
    if spec.virt_type:
        condition &= Q(domain_type=spec.virt_type)
    if spec.firmware == "uefi":
        condition &= Q(capabilities__has_uefi=True)
    if spec.machine_type:
        # Names and what is behind them stand in one JSON object; the quotes are a name's ends.
        name = Value(f'"{spec.machine_type}"')
        condition &= Q(GreaterThan(StrIndex(known("machines"), name), 0))
    return condition or None


ARCHITECTURE = Filter(
    "architecture",
    "Has the host the image's architecture, virt type, firmware and machine type?",
    _condition,
)

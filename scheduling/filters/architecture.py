"""Can the host run the image: its architecture, its way of virtualisation, its firmware?"""

from django.db.models import Q

from scheduling.filters import Filter
from scheduling.request_spec import RequestSpec


def _condition(spec: RequestSpec) -> Q | None:
    condition = Q()
    if spec.arch:
        condition &= Q(arch=spec.arch)
    if spec.virt_type:
        condition &= Q(domain_type=spec.virt_type)
    if spec.firmware == "uefi":
        condition &= Q(capabilities__has_uefi=True)
    return condition or None


ARCHITECTURE = Filter(
    "architecture", "Has the host the image's architecture, virt type and firmware?", _condition
)

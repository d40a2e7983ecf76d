"""Has the host the storage pool that the disks are to go to?"""

from django.db.models import Exists, OuterRef, Q

from hypervisors.models import StoragePool
from scheduling.filters import Filter
from scheduling.request_spec import RequestSpec


def _condition(spec: RequestSpec) -> Q | None:
    if not spec.store:
        return None
    room = spec.disk_gib * 1024**3
    pools = StoragePool.objects.filter(hypervisor_id=OuterRef("pk"), name=spec.store)
    has_room = Q(available__gte=room)
    if spec.kept_in:
        has_room |= Q(store=spec.kept_in)
    return Q(Exists(pools.filter(has_room)))


STORE = Filter(
    "storage_pool", "Has the host the storage pool that was asked for, with room?", _condition
)

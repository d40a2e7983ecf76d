"""A look at everything of ours that a host has, to be compared with the books."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from hypervisors.connections import connected
from hypervisors.disks import BASE_PREFIX
from hypervisors.libvirt.survey import (
    DomainSeen,
    HostSurvey,
    NetworkSeen,
    SurveyRequest,
    VolumeSeen,
)
from hypervisors.models import Hypervisor, StoragePool

__all__ = [
    "DomainSeen", "HostSurvey", "NetworkSeen", "VolumeSeen", "survey",
]  # fmt: skip

# A network of ours has a name that begins so on every host.
NETWORK_PREFIX = "cp-"


def survey(
    hypervisor: Hypervisor,
    *,
    refresh: bool = False,
    guests: Collection[UUID] | None = None,
    ports: Collection[str] | None = None,
    retired: Collection[str] = (),
) -> HostSurvey:
    """Look at a host.

    Args:
        hypervisor: the host.
        refresh: see files that were put into pools, or taken away, behind libvirt's back.
        guests: read the definitions of these only.
        ports: read the filters of these only; the names of all are told.
        retired: base volumes of which is asked who lies over them.

    Raises:
        HostUnreachable: it does not answer.
    """
    pools = StoragePool.objects.filter(hypervisor=hypervisor).values_list("name", flat=True)
    request = SurveyRequest(
        pools=tuple(pools),
        network_prefix=NETWORK_PREFIX,
        base_prefix=BASE_PREFIX,
        refresh=refresh,
        guests=None if guests is None else frozenset(guests),
        ports=None if ports is None else frozenset(ports),
        backing_of=frozenset(retired),
    )
    with connected(hypervisor) as host:
        return host.survey(request)

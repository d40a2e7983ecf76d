"""The look at a whole fake host; what a hand changed on it is set on its parts by tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hypervisors.libvirt.domain_xml import domain_xml
from hypervisors.libvirt.filters import FilterRules, canonical_rules, filter_name, filter_xml
from hypervisors.libvirt.survey import (
    DomainSeen,
    HostSurvey,
    NetworkSeen,
    SurveyRequest,
    VolumeSeen,
    domain_seen,
)

if TYPE_CHECKING:
    from tests.hypervisors.fake_host import FakeHost


def fake_survey(host: FakeHost, request: SurveyRequest) -> HostSurvey:
    """What the driver's survey of such a host would be."""
    pools = [name for name in request.pools if name in host.pools and host.pools[name].is_active]
    return HostSurvey(
        domains=tuple(_domains(host, request)),
        pools=tuple(pools),
        volumes=tuple(
            VolumeSeen(pool, volume.name, volume.backing)
            for pool in pools
            for volume in host.pools[pool].volumes.values()
        ),
        networks=tuple(
            _network(network)
            for name, network in host.networks.items()
            if name.startswith(request.network_prefix)
        ),
        filters=dict(_filters(host, request)),
    )


def _domains(host: FakeHost, request: SurveyRequest) -> Iterator[DomainSeen]:
    for uuid, guest in host.guests.items():
        asked = request.guests is None or uuid in request.guests
        yield domain_seen(
            (guest.xml or domain_xml(guest.spec)) if asked else "",
            uuid=uuid,
            name=guest.spec.name,
            state=guest.power_state,
            is_persistent=guest.is_persistent,
        )


def _network(network: Any) -> NetworkSeen:
    entries = tuple(network.entries)
    live = entries if network.is_active else None
    spec = network.spec
    return NetworkSeen(spec.name, spec.uuid, spec.bridge, network.is_active, entries, live)


def _filters(host: FakeHost, request: SurveyRequest) -> Iterator[tuple[str, FilterRules | None]]:
    for port_id, spec in host.filters.items():
        asked = request.ports is None or port_id in request.ports
        yield filter_name(port_id), canonical_rules(filter_xml(spec)) if asked else None

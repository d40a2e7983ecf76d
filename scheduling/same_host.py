"""Whether a server may stay on its host when it gets another image."""

from __future__ import annotations

from dataclasses import replace

from hypervisors.models import Hypervisor
from scheduling.errors import NoValidHost
from scheduling.filters.aggregates import AGGREGATE_IMAGE, read_aggregates
from scheduling.filters.architecture import ARCHITECTURE
from scheduling.filters.traits import TRAITS
from scheduling.request_spec import RequestSpec

# What depends on the image; the room it has there already, and it may stay where it was put.
FILTERS = (ARCHITECTURE, AGGREGATE_IMAGE, TRAITS)


def check_host_still_fits(hypervisor: Hypervisor, spec: RequestSpec) -> None:
    """Ask the filters that look at the image of this one host.

    Raises:
        NoValidHost: says which of them the host does not pass.
    """
    spec = replace(spec, aggregates=read_aggregates())
    hosts = Hypervisor.objects.filter(pk=hypervisor.pk)
    for each in FILTERS:
        condition = each.condition(spec)
        if condition is not None and not hosts.filter(condition).exists():
            raise NoValidHost(
                "No valid host was found. The server's host does not fit the image: "
                f"{each.question} No."
            )

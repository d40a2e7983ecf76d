"""A host's cells and what servers ask of them, for those who place servers."""

from __future__ import annotations

from collections.abc import Mapping

from hypervisors.errors import NumaRefused
from hypervisors.libvirt import numa_request as request_room
from hypervisors.libvirt.numa import (
    HostCell,
    NumaNode,
    NumaPlacement,
    NumaRequest,
    PlacedNode,
)

__all__ = [
    "HostCell",
    "NumaNode",
    "NumaPlacement",
    "NumaRequest",
    "PlacedNode",
    "numa_request",
]


def numa_request(
    extra_specs: Mapping[str, str],
    image_properties: Mapping[str, str],
    *,
    vcpus: int,
    ram_mib: int,
) -> NumaRequest | None:
    """What a flavor and an image together ask of a host's cells; None is nothing.

    Raises:
        NumaRefused: in the words of the compute API.
    """
    try:
        return request_room.numa_request(
            extra_specs, image_properties, vcpus=vcpus, ram_mib=ram_mib
        )
    except request_room.InvalidNumaRequest as error:
        raise NumaRefused(str(error)) from error

"""What a flavor and an image together need of a host: amounts, and what its extra specs ask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flavors.models import Flavor
from hypervisors.guests import guest_features
from hypervisors.numa import numa_request
from scheduling.filters.resource_classes import OFFERED
from servers.errors import InvalidServerRequest

# Scopes whose extra specs are questions to hosts; one without a scope may be about aggregates.
_SCOPES = ("aggregate_instance_extra_specs", "capabilities")
_NUMBERED_SCOPES = ("resources", "trait")
_WISHES = ("required", "forbidden")
_MAX_AMOUNT = 2**31 - 1


def host_needs(
    flavor: Flavor, image_properties: Mapping[str, str], *, disk_gib: int
) -> dict[str, Any]:
    """The fields of a request spec that follow from flavor and image.

    `disk_gib` is what the disks take; `resources:` of the flavor may say otherwise.

    Raises:
        InvalidServerRequest: an amount or a trait's wish that has no meaning.
        NumaRefused: NUMA nodes, pages or CPUs as no guest can have them.
    """
    asked = {name: value for name, value in flavor.extra_specs.items() if _is_asked(name)}
    _check(asked)
    amounts = {"vcpus": flavor.vcpus, "ram_mib": flavor.ram_mib, "disk_gib": disk_gib}
    amounts.update({field: int(asked[name]) for name, field in OFFERED.items() if name in asked})
    nodes = numa_request(
        flavor.extra_specs, image_properties, vcpus=flavor.vcpus, ram_mib=flavor.ram_mib
    )
    return {
        **amounts,
        "extra_specs": asked,
        "numa": nodes.to_json() if nodes else {},
        **image_needs(image_properties),
        **guest_needs(flavor.extra_specs, image_properties),
    }


def guest_needs(
    extra_specs: Mapping[str, str], image_properties: Mapping[str, str]
) -> dict[str, Any]:
    """The fields of a request spec that follow from what the two make of the guest.

    Raises:
        GuestPropertyRefused: something that cannot be honoured.
    """
    features = guest_features(extra_specs, image_properties)
    return {"secure_boot": features.secure_boot, "tpm": features.tpm, "pci": features.pci}


def image_needs(image_properties: Mapping[str, str]) -> dict[str, Any]:
    """The fields of a request spec that follow from the image alone.

    Raises:
        InvalidServerRequest: a trait's wish that has no meaning.
    """
    _check({name: value for name, value in image_properties.items() if name.startswith("trait:")})
    return {
        "arch": image_properties.get("hw_architecture", image_properties.get("architecture", "")),
        "virt_type": image_properties.get("img_hv_type", ""),
        "firmware": image_properties.get("hw_firmware_type", "bios"),
        "machine_type": image_properties.get("hw_machine_type", ""),
        "image_properties": dict(image_properties),
    }


def _is_asked(name: str) -> bool:
    scope, colon, _ = name.partition(":")
    return not colon or scope in _SCOPES or scope.startswith(_NUMBERED_SCOPES)


def _check(asked: Mapping[str, str]) -> None:
    for name, value in asked.items():
        scope, colon, _ = name.partition(":")
        if not colon:
            continue
        if scope.startswith("resources") and not _is_amount(value):
            raise InvalidServerRequest(f"{name} must be a whole number, not '{value}'.")
        if scope.startswith("trait") and value not in _WISHES:
            raise InvalidServerRequest(f"{name} must be required or forbidden, not '{value}'.")


def _is_amount(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) <= 10 and int(value) <= _MAX_AMOUNT

"""Which block device mappings are honoured: the image's root disk, the flavor's blank disks."""

from __future__ import annotations

from collections.abc import Sequence

from flavors.models import Flavor
from servers.errors import InvalidServerRequest
from servers.wanted import CreateServers, WantedDisk

MAX_LOCAL_DISKS = 3
SWAP = "swap"
_BOOT_SEQUENCE = (
    "Block Device Mapping is Invalid: Boot sequence for the instance and image/block device "
    "mapping combination is not valid."
)


def check_mappings(wanted: CreateServers) -> None:
    """Refuse mappings that need volumes or contradict each other.

    Raises:
        InvalidServerRequest: in the words of the compute API.
    """
    if wanted.disks is None:
        return
    for disk in wanted.disks:
        _check_offered(disk)
    for disk in wanted.disks:
        if disk.source == "image":
            _check_root(disk, wanted)
    if [disk.boot_index for disk in wanted.disks if disk.boot_index is not None] != [0]:
        raise InvalidServerRequest(_BOOT_SEQUENCE)
    if len(wanted.disks) > MAX_LOCAL_DISKS:
        raise InvalidServerRequest(
            "Block Device Mapping is Invalid: You specified more local devices than the limit "
            "allows"
        )


def check_sizes(disks: Sequence[WantedDisk] | None, flavor: Flavor) -> None:
    """Refuse blank disks that are not the ones the flavor has.

    Raises:
        InvalidServerRequest: larger than the flavor's, or another size than it.
    """
    blank = [disk for disk in disks or () if disk.source == "blank"]
    swaps = [disk for disk in blank if disk.guest_format == SWAP]
    ephemerals = [disk for disk in blank if disk.guest_format != SWAP]
    if len(swaps) > 1:
        raise InvalidServerRequest("Block Device Mapping is Invalid: more than one swap disk.")
    if sum(disk.size or 0 for disk in swaps) > flavor.swap_mib:
        raise InvalidServerRequest(
            "Block Device Mapping is Invalid: swap drives requested are larger than instance type "
            "allows."
        )
    if sum(disk.size or 0 for disk in ephemerals) > flavor.ephemeral_gib:
        raise InvalidServerRequest(
            "Ephemeral disks requested are larger than the instance type allows."
        )
    _check_whole(swaps, flavor.swap_mib, "swap")
    _check_whole(ephemerals, flavor.ephemeral_gib, "ephemeral")


def _check_offered(disk: WantedDisk) -> None:
    if disk.unoffered:
        raise InvalidServerRequest(
            f"block_device_mapping_v2: {disk.unoffered[0]} is not offered for local disks; image "
            "properties choose their bus and device."
        )
    for key, value in (("source_type", disk.source), ("destination_type", disk.destination)):
        if value in {"volume", "snapshot"}:
            raise InvalidServerRequest(
                f"block_device_mapping_v2: {key} '{value}' needs volumes, which this cloud does "
                "not offer."
            )
    if disk.source == "blank" and disk.guest_format not in {"", SWAP}:
        raise InvalidServerRequest(
            f"block_device_mapping_v2: guest_format '{disk.guest_format}' is not offered; an "
            "ephemeral disk is given to the guest without a file system."
        )


def _check_root(disk: WantedDisk, wanted: CreateServers) -> None:
    if wanted.image_id is None or disk.boot_index != 0:
        raise InvalidServerRequest("Mapping image to local is not supported.")
    if disk.image_id.replace("-", "").lower() != wanted.image_id.hex:
        raise InvalidServerRequest(
            "block_device_mapping_v2: the uuid of the root disk's image is not that of imageRef."
        )
    if disk.size is not None:
        raise InvalidServerRequest(
            "block_device_mapping_v2: volume_size is not offered for the root disk; the flavor has "
            "its size."
        )


def _check_whole(disks: Sequence[WantedDisk], size: int, name: str) -> None:
    if len(disks) > 1 or any(disk.size not in {None, size} or not size for disk in disks):
        raise InvalidServerRequest(
            f"block_device_mapping_v2: a {name} disk of another size than the flavor's is not "
            "offered; leave it out to get the flavor's own."
        )

"""Which disks of servers are honoured: the image's root disk, the flavor's blank ones, volumes."""

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
    """Refuse mappings that contradict each other or ask for what is not offered.

    Raises:
        InvalidServerRequest: in the words of the compute API.
    """
    if wanted.disks is None:
        return
    for disk in wanted.disks:
        _check_offered(disk)
    local = [disk for disk in wanted.disks if not disk.is_volume]
    for disk in local:
        if disk.source == "image":
            _check_root(disk, wanted)
    indexes = sorted(disk.boot_index for disk in wanted.disks if disk.boot_index is not None)
    if indexes != list(range(max(1, len(indexes)))):
        raise InvalidServerRequest(_BOOT_SEQUENCE)
    if len(local) > MAX_LOCAL_DISKS:
        raise InvalidServerRequest(
            "Block Device Mapping is Invalid: You specified more local devices than the limit "
            "allows"
        )


def check_sizes(disks: Sequence[WantedDisk] | None, flavor: Flavor) -> None:
    """Refuse blank disks that are not the ones the flavor has.

    Raises:
        InvalidServerRequest: larger than the flavor's, or another size than it.
    """
    blank = [disk for disk in disks or () if disk.source == "blank" and not disk.is_volume]
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
    if disk.is_volume:
        _check_volume(disk)
        return
    if disk.volume_type:
        raise InvalidServerRequest("Specifying a volume_type is only for volumes, not local disks.")
    if disk.tag:
        raise InvalidServerRequest("block_device_mapping_v2: tag is offered for volumes only.")
    if disk.source == "blank" and disk.guest_format not in {"", SWAP}:
        raise InvalidServerRequest(
            f"block_device_mapping_v2: guest_format '{disk.guest_format}' is not offered; an "
            "ephemeral disk is given to the guest without a file system."
        )


def _check_volume(disk: WantedDisk) -> None:
    if disk.destination == "local":
        raise InvalidServerRequest(
            f"Block Device Mapping is Invalid: a {disk.source} is no local disk."
        )
    if disk.source != "blank" and not disk.identifier:
        raise InvalidServerRequest(
            f"Block Device Mapping is Invalid: {disk.source}_id or uuid is missing."
        )
    if disk.source in {"image", "blank"} and disk.size is None:
        what = "Images" if disk.source == "image" else "Blank volumes"
        raise InvalidServerRequest(
            f"Block Device Mapping is Invalid: {what} (source: '{disk.source}', dest: 'volume') "
            "need to have non-zero size"
        )
    if disk.source == "volume" and disk.volume_type:
        raise InvalidServerRequest(
            "Specifying a volume_type is not for a volume that exists already."
        )
    if disk.guest_format:
        raise InvalidServerRequest(
            "block_device_mapping_v2: guest_format is offered for local disks only."
        )


def _check_root(disk: WantedDisk, wanted: CreateServers) -> None:
    if wanted.image_id is None or disk.boot_index != 0:
        raise InvalidServerRequest("Mapping image to local is not supported.")
    if disk.identifier.replace("-", "").lower() != wanted.image_id.hex:
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

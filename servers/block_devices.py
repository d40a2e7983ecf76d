"""Which disks of servers are honoured: the image's root disk, the flavor's blank ones, volumes."""

from __future__ import annotations

from collections.abc import Sequence

from flavors.models import Flavor
from servers.errors import InvalidServerRequest
from servers.wanted import CreateServers, WantedDisk

MAX_LOCAL_DISKS = 3
SWAP = "swap"
BOOT_SEQUENCE = (
    "Block Device Mapping is Invalid: Boot sequence for the instance and image/block device "
    "mapping combination is not valid."
)


def check_mappings(wanted: CreateServers) -> None:
    """Refuse mappings that mean nothing or ask for what is not offered.

    Raises:
        InvalidServerRequest: in the words of the compute API.
    """
    if wanted.fault_of_disks:
        raise InvalidServerRequest(wanted.fault_of_disks)
    for disk in wanted.disks or ():
        _check_offered(disk)
        if disk.source == "image" and not disk.is_volume:
            _check_root(disk, wanted)


def check_together(wanted: CreateServers, flavor: Flavor, root_device: str) -> None:
    """Refuse mappings that do not fit together, or not with the flavor.

    `root_device` is the name of the root disk where that is an image's.

    Raises:
        InvalidServerRequest: in the words of the compute API.
    """
    disks = wanted.disks
    if disks is None:
        return
    if wanted.max_count > 1 and any(disk.source == "volume" for disk in disks):
        raise InvalidServerRequest("Cannot attach one or more volumes to multiple instances")
    _check_root_device(wanted, root_device)
    indexes = sorted(disk.boot_index for disk in disks if disk.boot_index is not None)
    if indexes != list(range(max(1, len(indexes)))) or any(map(_is_blank_root, disks)):
        raise InvalidServerRequest(BOOT_SEQUENCE)
    _check_sizes(disks, flavor)
    if sum(not disk.is_volume for disk in disks) > MAX_LOCAL_DISKS:
        raise InvalidServerRequest(
            "Block Device Mapping is Invalid: You specified more local devices than the limit "
            "allows"
        )


def _is_blank_root(disk: WantedDisk) -> bool:
    return disk.boot_index == 0 and disk.source == "blank" and not disk.is_volume


def _check_root_device(wanted: CreateServers, root_device: str) -> None:
    names = {disk.device.removeprefix("/dev/") for disk in wanted.disks or () if disk.is_volume}
    if wanted.image_id is not None and root_device.removeprefix("/dev/") in names:
        raise InvalidServerRequest(
            f"The volume cannot be assigned the same device name as the root device {root_device}"
        )


def _check_sizes(disks: Sequence[WantedDisk], flavor: Flavor) -> None:
    """Refuse blank disks that are larger than the flavor's, or of another size than it."""
    blank = [disk for disk in disks if disk.source == "blank" and not disk.is_volume]
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

"""Which volumes are disks of a server, and under which names.

A volume lies in a pool of its server's host: who moves a server to another host, or off its host,
asks here first (`refuse_if_attached`).
"""

from __future__ import annotations

import re

from hypervisors.errors import GuestPropertyRefused
from hypervisors.guests import GuestFeatures, guest_features
from servers.errors import DeviceTaken, InvalidServerRequest, VolumeBacked, VolumesAttached
from servers.models import Server
from volumes.models import Attachment

_DEVICE = re.compile(r"^/dev/([a-z]{2,4})\Z")
_PREFIXES = {"virtio": "vd", "scsi": "sd", "sata": "sd", "usb": "sd"}
MAX_DISKS = 26


def attachments_of(server: Server) -> list[Attachment]:
    """The server's volumes, those that are on their way to it or from it among them."""
    rows = Attachment.objects.filter(server_id=server.pk, by_compute=True)
    return list(rows.select_related("volume").order_by("created_at", "id"))


def refuse_if_attached(server: Server) -> None:
    """Refuse what would part a server from its volumes; asked with the server's row held.

    Raises:
        VolumesAttached: the server has volumes.
    """
    names = [str(each.volume_id) for each in attachments_of(server)]
    if names:
        raise VolumesAttached(
            f"Instance {server.pk} has volumes, which lie on its host: detach them first "
            f"({', '.join(names)})."
        )


def refuse_volume_backed(server: Server) -> None:
    """Refuse what is done with the disk of an image.

    Raises:
        VolumeBacked: the server runs from a volume.
    """
    if server.image_id is None:
        raise VolumeBacked(
            f"Instance {server.pk} runs from a volume, with which this is not offered."
        )


def free_device(server: Server, wanted: str | None) -> str:
    """The name for a further disk: the wanted one, or the first that is free.

    Raises:
        InvalidServerRequest: the wanted name is none for a disk of this server.
        DeviceTaken: another disk has it.
    """
    features = _features(server)
    prefix = name_prefix(features)
    taken = {each.device for each in attachments_of(server)}
    taken |= {f"/dev/{prefix}{chr(ord('a') + n)}" for n in range(_local_disks(server, features))}
    if wanted:
        return _checked(wanted, prefix, taken)
    names = (f"/dev/{prefix}{chr(ord('a') + n)}" for n in range(MAX_DISKS))
    found = next((name for name in names if name not in taken), None)
    if found is None:
        raise InvalidServerRequest("The maximum allowed number of disk devices is exceeded.")
    return found


def name_prefix(features: GuestFeatures) -> str:
    """What the names of the guest's disks begin with.

    Raises:
        InvalidServerRequest: its bus takes no volumes.
    """
    prefix = _PREFIXES.get(features.disk_bus)
    if prefix is None:
        raise InvalidServerRequest(
            f"A disk on the bus {features.disk_bus} cannot be attached to a server."
        )
    return prefix


def _checked(wanted: str, prefix: str, taken: set[str]) -> str:
    found = _DEVICE.match(wanted)
    if found is None:
        raise InvalidServerRequest(f"The supplied device path ({wanted}) is invalid.")
    # The guest names its disks by its own bus, whatever is asked for, as in the field.
    name = f"/dev/{prefix}{found[1][2:] or 'a'}"
    if name in taken:
        raise DeviceTaken(f"The supplied device path ({wanted}) is in use.")
    return name


def _features(server: Server) -> GuestFeatures:
    try:
        return guest_features(server.flavor["extra_specs"], server.image_properties)
    except GuestPropertyRefused as error:
        raise InvalidServerRequest(str(error)) from error


def _local_disks(server: Server, features: GuestFeatures) -> int:
    """How many disks on that bus flavor and config drive give it, root first."""
    flavor = server.flavor
    disks = 1 + bool(flavor["ephemeral_gib"]) + bool(flavor["swap_mib"])
    is_cd = features.cdrom_bus is not None or features.os_type != "linux"
    drive_bus = (features.cdrom_bus or "sata") if is_cd else features.disk_bus
    same = _PREFIXES.get(drive_bus) == _PREFIXES.get(features.disk_bus)
    return disks + (server.has_config_drive and same)

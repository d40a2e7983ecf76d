"""Reads the body of a create request, already valid by its schema, into what is wanted."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar
from uuid import UUID

from cloudportal.api.microversions import Microversion
from cloudportal.api.validation import is_true
from servers.errors import InvalidServerRequest
from servers.options import PREFIX
from servers.wanted import CreateServers, InjectedFile, WantedDisk, WantedInterface

T = TypeVar("T")
DESCRIBED_SINCE = Microversion(2, 19)
# Fields of a mapping that choose something which local disks made here do not have.
_UNOFFERED_OF_DISK = (
    "device_type",
    "disk_bus",
    "no_device",
    "connection_info",
)
_UNOFFERED_OF_OLD_DISK = ("virtual_name", "no_device", "connection_info")
_UUID_OF = {"volume": "volume_id", "snapshot": "snapshot_id", "image": "image_id"}


def read_create(body: Mapping[str, Any], version: Microversion) -> CreateServers:
    """What the body asks for.

    What is wrong with its disks and networks is kept with it, for others are told before.

    Raises:
        InvalidServerRequest: the counts contradict each other.
    """
    server = body["server"]
    minimum, maximum = _counts(server)
    networks, fault_of_networks = _or_fault(lambda: _networks(server.get("networks")))
    disks, fault_of_disks = _or_fault(lambda: _all_disks(server))
    return CreateServers(
        name=server["name"],
        flavor_id=str(server["flavorRef"]).rstrip("/").rsplit("/", 1)[-1],
        image_id=UUID(server["imageRef"]) if server.get("imageRef") else None,
        networks=networks,
        fault_of_networks=fault_of_networks,
        security_groups=_security_groups(server.get("security_groups")),
        admin_password=server.get("adminPass"),
        key_name=server.get("key_name"),
        user_data=server.get("user_data"),
        metadata=server.get("metadata", {}),
        personality=tuple(
            InjectedFile(path=file["path"], contents=file["contents"])
            for file in server.get("personality", ())
        ),
        config_drive=is_true(server["config_drive"]) if "config_drive" in server else None,
        tags=tuple(dict.fromkeys(server.get("tags", ()))),
        description=(server.get("description") if version >= DESCRIBED_SINCE else server["name"]),
        hostname=server.get("hostname", ""),
        disk_config=server.get("OS-DCF:diskConfig", ""),
        access_ip_v4=canonical_ip(server.get("accessIPv4")),
        access_ip_v6=canonical_ip(server.get("accessIPv6")),
        zone=server.get("availability_zone", ""),
        host=server.get("host", ""),
        hypervisor_hostname=server.get("hypervisor_hostname", ""),
        disks=disks,
        fault_of_disks=fault_of_disks,
        wants_certificates=bool(server.get("trusted_image_certificates")),
        hints=body.get("os:scheduler_hints", body.get("OS-SCH-HNT:scheduler_hints", {})),
        options={
            name.removeprefix(PREFIX): value
            for name, value in server.items()
            if name.startswith(PREFIX)
        },
        min_count=minimum,
        max_count=maximum,
    )


def canonical_ip(text: str | None) -> str | None:
    """The address in its shortest form, "" and None both as None.

    Raises:
        InvalidServerRequest: it names the interface of one machine (fe80::1%eth0).
    """
    if not text:
        return None
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        raise InvalidServerRequest(f"The address {text} has a scope, which only its host knows.")
    return str(address)


def _or_fault(read: Callable[[], T]) -> tuple[T | None, str]:
    """What is read, or what is wrong with it in words."""
    try:
        return read(), ""
    except InvalidServerRequest as error:
        return None, str(error)


def _counts(server: Mapping[str, Any]) -> tuple[int, int]:
    minimum = int(server.get("min_count", 1))
    maximum = int(server.get("max_count", minimum))
    if minimum > maximum:
        raise InvalidServerRequest("min_count must be <= max_count")
    return minimum, maximum


def _networks(
    networks: str | list[dict[str, Any]] | None,
) -> Literal["auto", "none"] | tuple[WantedInterface, ...] | None:
    if isinstance(networks, str):
        return "none" if networks == "none" else "auto"
    if not networks:
        return None
    return tuple(_interface(entry) for entry in networks)


def _interface(entry: Mapping[str, Any]) -> WantedInterface:
    port_id, network_id = entry.get("port"), entry.get("uuid")
    fixed_ip = canonical_ip(entry.get("fixed_ip")) or ""
    if port_id is not None:
        if fixed_ip:
            raise InvalidServerRequest(
                f"Specified Fixed IP '{fixed_ip}' cannot be used with port '{port_id}': the two "
                "cannot be specified together."
            )
        return WantedInterface(port_id=str(UUID(port_id)), tag=entry.get("tag", ""))
    if network_id is None:
        raise InvalidServerRequest("Bad network format: missing 'uuid'")
    try:
        network_id = str(UUID(network_id))
    except ValueError:
        raise InvalidServerRequest(
            f"Bad networks format: network uuid is not in proper format ({network_id})"
        ) from None
    return WantedInterface(network_id=network_id, fixed_ip=fixed_ip, tag=entry.get("tag", ""))


def _security_groups(groups: list[dict[str, str]] | None) -> tuple[str, ...] | None:
    if groups is None:
        return None
    return tuple(dict.fromkeys(group["name"] for group in groups)) or None


def _all_disks(server: Mapping[str, Any]) -> tuple[WantedDisk, ...] | None:
    mappings = server.get("block_device_mapping_v2")
    if not mappings:
        return _old_disks(server)
    if server.get("block_device_mapping"):
        raise InvalidServerRequest(
            "Using different block_device_mapping syntaxes is not allowed in the same request."
        )
    return tuple(_disk(mapping) for mapping in mappings)


def _disk(mapping: Mapping[str, Any]) -> WantedDisk:
    source = mapping.get("source_type", "")
    identifier = mapping.get("uuid", "")
    for kind, key in _UUID_OF.items():
        if key in mapping:
            source, identifier = source or kind, mapping[key]
    if not source:
        raise InvalidServerRequest("Block Device Mapping is Invalid: source_type is missing.")
    if source == "blank" and identifier:
        raise InvalidServerRequest("Block Device Mapping is Invalid: Invalid device UUID.")
    index = mapping.get("boot_index")
    size = mapping.get("volume_size")
    return WantedDisk(
        source=source,
        destination=mapping.get("destination_type", ""),
        identifier=identifier,
        boot_index=int(index) if index is not None and int(index) >= 0 else None,
        size=int(size) if size is not None else None,
        guest_format=mapping.get("guest_format", ""),
        unoffered=tuple(name for name in _UNOFFERED_OF_DISK if mapping.get(name)),
        device=mapping.get("device_name") or "",
        tag=mapping.get("tag") or "",
        volume_type=mapping.get("volume_type"),
        delete_on_termination=is_true(mapping.get("delete_on_termination", False)),
    )


def _old_disks(server: Mapping[str, Any]) -> tuple[WantedDisk, ...] | None:
    """The older form of mappings, of volumes only: without an image the first one boots."""
    mappings = server.get("block_device_mapping")
    if not mappings:
        return None
    image = server.get("imageRef")
    disks = [WantedDisk("image", "local", str(UUID(image)), boot_index=0)] if image else []
    for mapping in mappings:
        volume, snapshot = mapping.get("volume_id"), mapping.get("snapshot_id")
        if bool(volume) == bool(snapshot):
            raise InvalidServerRequest(
                "Block Device Mapping is Invalid: one of volume_id and snapshot_id is needed."
            )
        size = mapping.get("volume_size")
        disks.append(
            WantedDisk(
                "volume" if volume else "snapshot",
                "volume",
                volume or snapshot,
                boot_index=None if disks else 0,
                size=int(size) if size is not None else None,
                unoffered=tuple(name for name in _UNOFFERED_OF_OLD_DISK if mapping.get(name)),
                device=mapping.get("device_name") or "",
                delete_on_termination=is_true(mapping.get("delete_on_termination", False)),
            )
        )
    return tuple(disks)

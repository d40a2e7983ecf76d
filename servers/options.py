"""This cloud's own fields of a request for servers, under the prefix `cloudportal:`.

They may be given as fields of the server, or by clients that send the compute API's own fields
alone as scheduler hints of the same names; then all values are texts.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypervisors.models import Hypervisor, StoragePool
from hypervisors.pools import Places, block_pools, places_of, pool_for, shared_pools
from images.models import Image
from servers.errors import DisksBound, InvalidServerRequest
from servers.models import Server
from servers.wanted import CreateServers

PREFIX = "cloudportal:"
NAMES = ("os_type", "boot_type", "store_id", "enable_ha", "extra")
OS_TYPES = ("linux", "windows")
BOOT_TYPES = ("bios", "uefi")
EXTRA_BYTES = 64 * 1024
_STORE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TRUE, _FALSE = ("true", "1", "on", "yes"), ("false", "0", "off", "no")


@dataclass(frozen=True)
class Options:
    """What is asked for; "" and None leave it to the image and the cloud."""

    os_type: str = ""
    boot_type: str = ""
    store_id: str = ""
    enable_ha: bool = False
    extra: Mapping[str, Any] | None = field(default=None, repr=False)

    def to_json(self) -> dict[str, Any]:
        """For the server's row: what was asked for alone."""
        given = {name: getattr(self, name) for name in NAMES}
        return {name: value for name, value in given.items() if value not in ("", False, None)}

    def properties(self, of_image: Mapping[str, str]) -> dict[str, str]:
        """An image's properties, with what is asked for in their place."""
        asked = {"os_type": self.os_type, "hw_firmware_type": self.boot_type}
        return {**of_image, **{name: value for name, value in asked.items() if value}}

    def applied_to(self, image: Image) -> Image:
        """The image as the servers take it; its row stays as it is."""
        taken = copy.copy(image)
        taken.properties = self.properties(image.properties)
        return taken


def options_of(server: Server) -> Options:
    """What a server was asked for with."""
    return Options(**{name: server.options[name] for name in NAMES if name in server.options})


def pool_of(server: Server, hypervisor: Hypervisor) -> StoragePool:
    """The storage pool that the server's disks go to on a host.

    Raises:
        NotOnHost: the host does not have it.
    """
    return pool_for(hypervisor, server.options.get("store_id", ""))


def is_on_shared_store(server: Server, hypervisor: Hypervisor) -> bool:
    """Whether other hosts have the server's disks, too."""
    store = server.options.get("store_id", "")
    has_disks = bool(store) and server.image_id is not None
    return has_disks and shared_pools(hypervisor).filter(name=store).exists()


def places_for(server: Server, hypervisor: Hypervisor) -> Places:
    """Where the server's disks go on a host, those that are files among them.

    Raises:
        NotOnHost: the host does not have the pool.
    """
    return places_of(pool_of(server, hypervisor))


def has_bound_disks(server: Server, blocks: Collection[str]) -> bool:
    """Whether the server has disks in one of these pools, whose volumes are block devices."""
    has_disks = server.image_id is not None or bool(server.flavor["ephemeral_gib"])
    return has_disks and server.options.get("store_id", "") in blocks


def refuse_bound_disks(server: Server, host: Hypervisor | None) -> None:
    """See that the server's disks can grow and go elsewhere.

    Raises:
        DisksBound: they are block devices of its host.
    """
    if host is not None and has_bound_disks(server, block_pools(host)):
        raise DisksBound(
            f"The disks of instance {server.pk} are logical volumes of its host: they cannot be "
            "resized or brought to another host. Make a snapshot of it and a server of that, or "
            "shelve it."
        )


def read_options(given: Mapping[str, Any], hints: Mapping[str, Any]) -> Options:
    """The options among a server's fields (without the prefix) and among its hints.

    Raises:
        InvalidServerRequest: one is unknown, malformed, not offered, or given twice in two ways.
    """
    found: dict[str, Any] = {name: _READERS[name](value) for name, value in given.items()}
    for hint, value in hints.items():
        if not hint.startswith(PREFIX):
            continue
        name = hint.removeprefix(PREFIX)
        if name not in _READERS:
            raise InvalidServerRequest(f"There is no option '{hint}' in this cloud.")
        read = _READERS[name](value)
        if found.setdefault(name, read) != read:
            raise InvalidServerRequest(f"The server and its scheduler hints differ in '{hint}'.")
    return Options(**found)


def check_restartable(options: Options, wanted: CreateServers) -> None:
    """See that a server that is to be restarted elsewhere has nothing that only its host has.

    Raises:
        InvalidServerRequest: it is to have volumes.
    """
    if options.enable_ha and any(disk.is_volume for disk in wanted.disks or ()):
        raise InvalidServerRequest(
            f"{PREFIX}enable_ha: a server with volumes is not restarted on another host, since its "
            "volumes lie on its own."
        )


def _one_of(name: str, allowed: tuple[str, ...], value: Any) -> str:
    if value not in allowed:
        raise InvalidServerRequest(f"{PREFIX}{name} must be one of {', '.join(allowed)}.")
    return str(value)


def _os_type(value: Any) -> str:
    return _one_of("os_type", OS_TYPES, value)


def _boot_type(value: Any) -> str:
    return _one_of("boot_type", BOOT_TYPES, value)


def _store(value: Any) -> str:
    if not isinstance(value, str) or not _STORE.fullmatch(value):
        raise InvalidServerRequest(f"{PREFIX}store_id must be the name of a storage pool.")
    if not StoragePool.objects.filter(name=value).exists():
        raise InvalidServerRequest(f"{PREFIX}store_id: no host has a storage pool '{value}'.")
    return value


def _enable_ha(value: Any) -> bool:
    text = str(value).lower()
    if text not in (*_TRUE, *_FALSE):
        raise InvalidServerRequest(f"{PREFIX}enable_ha must be true or false.")
    return text in _TRUE


def _extra(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise InvalidServerRequest(f"{PREFIX}extra is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidServerRequest(f"{PREFIX}extra must be an object.")
    try:
        size = len(json.dumps(value, allow_nan=False, ensure_ascii=False).encode())
    except (ValueError, RecursionError) as error:
        raise InvalidServerRequest(f"{PREFIX}extra is no JSON: {error}") from error
    if size > EXTRA_BYTES:
        raise InvalidServerRequest(
            f"{PREFIX}extra is {size} bytes long as JSON; at most {EXTRA_BYTES} are taken."
        )
    if "\\u0000" in json.dumps(value):
        raise InvalidServerRequest(f"{PREFIX}extra has a NUL character, which is not stored.")
    return value


_READERS = {
    "os_type": _os_type,
    "boot_type": _boot_type,
    "store_id": _store,
    "enable_ha": _enable_ha,
    "extra": _extra,
}

"""What each field of a server reads, from the server and what belongs to it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any
from uuid import UUID

import orjson

from cloudportal.api.views import ComputeView
from hypervisors.models import HostState, Hypervisor
from servers.models import Server, ServerFault
from servers.states import VmState
from servers.surroundings import Surroundings

PROGRESS_STATUSES = frozenset(
    {"ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING"}
)
FAULT_STATUSES = frozenset({"ERROR", "DELETED"})
TRACEBACK_CODE = 500
_WHOLE_SECONDS = orjson.OPT_OMIT_MICROSECONDS | orjson.OPT_UTC_Z
ABSENT = object()


@dataclass(frozen=True)
class Addresses:
    """The web addresses that links begin with, worked out once for all servers."""

    server: str
    server_bookmark: str
    flavor_bookmark: str
    image_bookmark: str

    @classmethod
    def of(cls, view: ComputeView) -> Addresses:
        """Those of a request."""
        return cls(
            server=view.link("servers", ""),
            server_bookmark=view.bookmark("servers", ""),
            flavor_bookmark=view.bookmark("flavors", ""),
            image_bookmark=view.bookmark("images", ""),
        )


# Not frozen, which would triple the cost of making one, and a list makes a thousand.
@dataclass(slots=True)
class Shown:
    """One server with what belongs to it, for whom it is shown, at which version."""

    id: str
    server: Server
    status: str
    host: Hypervisor | None
    around: Surroundings
    addresses: Addresses
    for_admin: bool
    is_short: bool


def stored(attribute: str) -> Callable[[Shown], Any]:
    """Read one column."""
    return attrgetter(f"server.{attribute}")


@dataclass(frozen=True)
class Constant:
    """A value that is the same for every server."""

    value: Any

    def __call__(self, shown: Shown) -> Any:
        """The value."""
        return self.value


def instant(value: datetime) -> str:
    """A time as most of the API writes it: whole seconds and a Z."""
    # A third of what the same takes in Python's own library.
    return orjson.dumps(value, option=_WHOLE_SECONDS)[1:-1].decode()


def precise_instant(value: datetime | None) -> str | None:
    """A time as usage and actions write it: microseconds and no zone."""
    return value.isoformat(timespec="microseconds")[:26] if value else None


def host_id(shown: Shown) -> str:
    """A name for the host that tells a project nothing but whether it is the same."""
    return _host_id(shown.server.project_id + shown.host.name) if shown.host else ""


@lru_cache(maxsize=4096)
def _host_id(text: str) -> str:
    return hashlib.sha224(text.encode()).hexdigest()


def host_status(shown: Shown) -> str:
    """How the host is, for administrators."""
    host = shown.host
    if host is None:
        return ""
    if host.is_forced_down:
        return "DOWN"
    if host.in_maintenance or not host.is_enabled:
        return "MAINTENANCE"
    return {HostState.UP.value: "UP", HostState.DOWN.value: "DOWN"}.get(host.state, "UNKNOWN")


def addresses(shown: Shown) -> dict[str, list[dict[str, Any]]]:
    """The addresses by the names of their networks; none while it is built."""
    found: dict[str, list[dict[str, Any]]] = {}
    if shown.server.vm_state == VmState.BUILDING:
        return found
    for address in shown.around.addresses.get(shown.id, ()):
        entry: dict[str, Any] = {"version": address.version, "addr": address.address}
        if not shown.is_short:
            entry["OS-EXT-IPS:type"] = "floating" if address.is_floating else "fixed"
            entry["OS-EXT-IPS-MAC:mac_addr"] = address.mac_address
        found.setdefault(address.network, []).append(entry)
    return found


def server_groups(shown: Shown) -> list[str]:
    """The group it is in, as a list of one or none."""
    return [str(shown.server.group_id)] if shown.server.group_id else []


def security_groups(shown: Shown) -> Any:
    """The names of the groups; no key where there are none."""
    names = shown.around.security_groups.get(shown.id)
    return [{"name": name} for name in names] if names else ABSENT


def _bookmark(href: str) -> list[dict[str, str]]:
    return [{"rel": "bookmark", "href": href}]


def links(shown: Shown) -> list[dict[str, str]]:
    """The addresses of the server itself."""
    return [
        {"rel": "self", "href": shown.addresses.server + shown.id},
        {"rel": "bookmark", "href": shown.addresses.server_bookmark + shown.id},
    ]


def flavor_link(shown: Shown) -> dict[str, Any]:
    """The flavor as it was shown until 2.46."""
    identifier = shown.server.flavor["flavorid"]
    return {"id": identifier, "links": _bookmark(shown.addresses.flavor_bookmark + identifier)}


def flavor_embedded(shown: Shown) -> dict[str, Any]:
    """The flavor as it was when the server was made."""
    flavor = shown.server.flavor
    return {
        "vcpus": flavor["vcpus"],
        "ram": flavor["ram_mib"],
        "disk": flavor["disk_gib"],
        "ephemeral": flavor["ephemeral_gib"],
        "swap": flavor["swap_mib"],
        "original_name": flavor["name"],
        "extra_specs": flavor["extra_specs"],
    }


def image(shown: Shown) -> Any:
    """The image it was made of; an empty text when it starts from a volume."""
    identifier = shown.server.image_id
    return _image(shown.addresses.image_bookmark, identifier) if identifier else ""


# Many servers are made of few images.
@lru_cache(maxsize=256)
def _image(bookmark: str, image_id: UUID) -> dict[str, Any]:
    identifier = str(image_id)
    return {"id": identifier, "links": _bookmark(bookmark + identifier)}


def image_with_properties(shown: Shown) -> Any:
    """The same with the image's properties of that time."""
    plain = image(shown)
    return {**plain, "properties": shown.server.image_properties} if plain else plain


def progress(shown: Shown) -> Any:
    """How far a change is; no key in a state where nothing changes."""
    return shown.server.progress if shown.status in PROGRESS_STATUSES else ABSENT


def fault(shown: Shown) -> Any:
    """Why it failed; no key in other states."""
    fault = shown.around.faults.get(shown.id)
    if fault is None or shown.status not in FAULT_STATUSES:
        return ABSENT
    return fault_body(fault, for_admin=shown.for_admin)


def fault_body(fault: ServerFault, *, for_admin: bool) -> dict[str, Any]:
    """A fault; the details of an internal error are for administrators."""
    body = {"code": fault.code, "created": instant(fault.created_at), "message": fault.message}
    if fault.details and (for_admin or fault.code != TRACEBACK_CODE):
        body["details"] = fault.details
    return body


def host_name(shown: Shown) -> str | None:
    """The name of its host."""
    return shown.host.name if shown.host else None


def node_name(shown: Shown) -> str | None:
    """The name of its host as the host itself says."""
    return (shown.host.hostname or shown.host.name) if shown.host else None


def text_ip(attribute: str) -> Callable[[Shown], str]:
    """An address that was given, as text."""
    return lambda shown: getattr(shown.server, attribute) or ""


def volumes_attached(shown: Shown) -> list[dict[str, Any]]:
    """The ids of the server's volumes."""
    found = shown.around.volumes.get(shown.id, ())
    return [{"id": volume_id} for volume_id, _ in found]


def volumes_and_their_ends(shown: Shown) -> list[dict[str, Any]]:
    """The same, each with whether it goes with its server."""
    found = shown.around.volumes.get(shown.id, ())
    return [{"id": volume_id, "delete_on_termination": goes_too} for volume_id, goes_too in found]

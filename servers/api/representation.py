"""How a server looks on the wire: each field says since when, and to whom, it is shown."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, Literal, get_args

from cloudportal.api.microversions import Microversion
from cloudportal.api.views import ComputeView
from hypervisors.models import HostState, Hypervisor
from identity import policy
from identity.actors import Actor
from servers.models import Server, ServerFault
from servers.states import VmState
from servers.surroundings import Surroundings

Kind = Literal["show", "detail", "update"]

PROGRESS_STATUSES = frozenset(
    {"ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING"}
)
FAULT_STATUSES = frozenset({"ERROR", "DELETED"})
WHOLE_UPDATE = Microversion(2, 75)
TRACEBACK_CODE = 500
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


@dataclass(frozen=True)
class Field:
    """A key of the representation; `read` may answer ABSENT, then the key is left out."""

    key: str
    read: Callable[[Shown], Any]
    since: str = "2.1"
    until: str = ""
    admin_only: bool = False
    admin_only_until: str = ""
    in_list: bool = True
    in_short_update: bool = True

    def is_shown(self, version: Microversion, kind: Kind, *, for_admin: bool) -> bool:
        """Whether the key belongs into a view at a version."""
        if version < Microversion.parse(self.since):
            return False
        if self.until and version > Microversion.parse(self.until):
            return False
        if kind == "update" and version < WHOLE_UPDATE and not self.in_short_update:
            return False
        if kind == "detail" and not self.in_list:
            return False
        hidden = self.admin_only or (
            bool(self.admin_only_until) and version <= Microversion.parse(self.admin_only_until)
        )
        return for_admin or not hidden


def _of(attribute: str) -> Callable[[Shown], Any]:
    return attrgetter(f"server.{attribute}")


@dataclass(frozen=True)
class _Constant:
    """A value that is the same for every server."""

    value: Any

    def __call__(self, shown: Shown) -> Any:
        return self.value


def instant(value: datetime) -> str:
    """A time as most of the API writes it: whole seconds and a Z."""
    return value.isoformat()[:19] + "Z"


def precise_instant(value: datetime | None) -> str | None:
    """A time as usage and actions write it: microseconds and no zone."""
    return value.replace(tzinfo=None).isoformat(timespec="microseconds") if value else None


def _host_id(shown: Shown) -> str:
    if shown.host is None:
        return ""
    text = shown.server.project_id + shown.host.name
    return hashlib.sha224(text.encode()).hexdigest()


def _host_status(shown: Shown) -> str:
    host = shown.host
    if host is None:
        return ""
    if host.is_forced_down:
        return "DOWN"
    if host.in_maintenance or not host.is_enabled:
        return "MAINTENANCE"
    return {HostState.UP.value: "UP", HostState.DOWN.value: "DOWN"}.get(host.state, "UNKNOWN")


def _addresses(shown: Shown) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    if shown.server.vm_state == VmState.BUILDING:
        return found
    for address in shown.around.addresses.get(shown.id, ()):
        entry: dict[str, Any] = {"version": address.version, "addr": address.address}
        if not shown.is_short:
            entry["OS-EXT-IPS:type"] = "fixed"
            entry["OS-EXT-IPS-MAC:mac_addr"] = address.mac_address
        found.setdefault(address.network, []).append(entry)
    return found


def _security_groups(shown: Shown) -> Any:
    names = shown.around.security_groups.get(shown.id)
    return [{"name": name} for name in names] if names else ABSENT


def _bookmark(href: str) -> list[dict[str, str]]:
    return [{"rel": "bookmark", "href": href}]


def _links(shown: Shown) -> list[dict[str, str]]:
    return [
        {"rel": "self", "href": shown.addresses.server + shown.id},
        {"rel": "bookmark", "href": shown.addresses.server_bookmark + shown.id},
    ]


def _flavor_link(shown: Shown) -> dict[str, Any]:
    identifier = shown.server.flavor["flavorid"]
    return {"id": identifier, "links": _bookmark(shown.addresses.flavor_bookmark + identifier)}


def _flavor_embedded(shown: Shown) -> dict[str, Any]:
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


def _image(shown: Shown) -> Any:
    if shown.server.image_id is None:
        return ""
    identifier = str(shown.server.image_id)
    return {"id": identifier, "links": _bookmark(shown.addresses.image_bookmark + identifier)}


def _image_with_properties(shown: Shown) -> Any:
    image = _image(shown)
    return {**image, "properties": shown.server.image_properties} if image else image


def _progress(shown: Shown) -> Any:
    return shown.server.progress if shown.status in PROGRESS_STATUSES else ABSENT


def _fault(shown: Shown) -> Any:
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


def _host_name(shown: Shown) -> str | None:
    return shown.host.name if shown.host else None


def _node_name(shown: Shown) -> str | None:
    return (shown.host.hostname or shown.host.name) if shown.host else None


def _text_ip(attribute: str) -> Callable[[Shown], str]:
    return lambda shown: getattr(shown.server, attribute) or ""


_MORE_FOR_ADMIN: dict[str, Callable[[Shown], Any]] = {
    "kernel_id": _Constant(""),
    "ramdisk_id": _Constant(""),
    "launch_index": _of("launch_index"),
    "reservation_id": _of("reservation_id"),
    "root_device_name": _of("root_device_name"),
    "user_data": _of("user_data"),
}
FIELDS = [
    Field("id", attrgetter("id")),
    Field("name", _of("name")),
    Field("status", attrgetter("status")),
    Field("tenant_id", _of("project_id")),
    Field("user_id", _of("user_id")),
    Field("metadata", _of("metadata")),
    Field("hostId", _host_id),
    Field("image", _image, until="2.97"),
    Field("image", _image_with_properties, since="2.98"),
    Field("flavor", _flavor_link, until="2.46"),
    Field("flavor", _flavor_embedded, since="2.47"),
    Field("created", lambda shown: instant(shown.server.created_at)),
    Field("updated", lambda shown: instant(shown.server.updated_at)),
    Field("addresses", _addresses),
    Field("accessIPv4", _text_ip("access_ip_v4")),
    Field("accessIPv6", _text_ip("access_ip_v6")),
    Field("links", _links),
    Field("OS-DCF:diskConfig", _of("disk_config")),
    Field("progress", _progress),
    Field("fault", _fault),
    Field("OS-EXT-AZ:availability_zone", _of("availability_zone"), in_short_update=False),
    Field(
        "config_drive",
        lambda shown: "True" if shown.server.has_config_drive else "",
        in_short_update=False,
    ),
    Field("key_name", _of("key_name"), in_short_update=False),
    Field(
        "OS-SRV-USG:launched_at",
        lambda shown: precise_instant(shown.server.launched_at),
        in_short_update=False,
    ),
    Field(
        "OS-SRV-USG:terminated_at",
        lambda shown: precise_instant(shown.server.terminated_at),
        in_short_update=False,
    ),
    Field("security_groups", _security_groups, in_short_update=False),
    Field("OS-EXT-STS:task_state", _of("task_state"), in_short_update=False),
    Field("OS-EXT-STS:vm_state", _of("vm_state"), in_short_update=False),
    Field("OS-EXT-STS:power_state", _of("power_state"), in_short_update=False),
    Field("os-extended-volumes:volumes_attached", _Constant([]), in_short_update=False),
    Field("OS-EXT-SRV-ATTR:host", _host_name, admin_only=True, in_short_update=False),
    Field(
        "OS-EXT-SRV-ATTR:hypervisor_hostname", _node_name, admin_only=True, in_short_update=False
    ),
    Field(
        "OS-EXT-SRV-ATTR:instance_name", _of("domain_name"), admin_only=True, in_short_update=False
    ),
    Field(
        "OS-EXT-SRV-ATTR:hostname",
        _of("hostname"),
        since="2.3",
        admin_only_until="2.89",
        in_short_update=False,
    ),
    *(
        Field(f"OS-EXT-SRV-ATTR:{name}", read, since="2.3", admin_only=True, in_short_update=False)
        for name, read in _MORE_FOR_ADMIN.items()
    ),
    Field("locked", _Constant(False), since="2.9"),
    Field("host_status", _host_status, since="2.16", admin_only=True, in_short_update=False),
    Field("description", _of("description"), since="2.19"),
    Field("tags", _of("tags"), since="2.26"),
    Field("trusted_image_certificates", _Constant(None), since="2.63"),
    Field("server_groups", _Constant([]), since="2.71", in_list=False),
    Field("locked_reason", _Constant(None), since="2.73"),
    Field("pinned_availability_zone", _of("pinned_zone"), since="2.96"),
    Field("scheduler_hints", _of("scheduler_hints"), since="2.100"),
]

# Columns that are long or not shown, left in the database for a list.
_NEVER_SHOWN = ("request_spec", "personality", "sealed_admin_password", "public_key")


def hidden_columns(version: Microversion, *, for_admin: bool) -> list[str]:
    """The columns that no field of a list needs at this version."""
    hidden = list(_NEVER_SHOWN)
    if not for_admin:
        hidden.append("user_data")
    if version < Microversion(2, 98):
        hidden.append("image_properties")
    if version < Microversion(2, 100):
        hidden.append("scheduler_hints")
    return hidden


def is_shown_to_admin(actor: Actor) -> bool:
    """Whether the actor sees on which host a server is, and the like."""
    return policy.allows(actor, "os_compute_api:os-extended-server-attributes")


class _Documented:
    """The form of a server as a JSON Schema, for the OpenAPI document."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    def at(self, version: Microversion) -> dict[str, Any]:
        """The keys that an administrator sees at one microversion."""
        keys = [
            field.key for field in FIELDS if field.is_shown(version, self._kind, for_admin=True)
        ]
        return {"type": "object", "properties": {key: {} for key in keys}}


SERVER = {kind: _Documented(kind) for kind in get_args(Kind)}


class ServerForm:
    """Renders servers for one request: the fields are chosen once, not for every server."""

    def __init__(
        self, view: ComputeView, version: Microversion, kind: Kind, *, for_admin: bool
    ) -> None:
        self._addresses = Addresses.of(view)
        self._for_admin = for_admin
        self._is_short_update = kind == "update" and version < WHOLE_UPDATE
        shown = [
            (field.key, field.read)
            for field in FIELDS
            if field.is_shown(version, kind, for_admin=for_admin)
        ]
        self._constants = {key: read.value for key, read in shown if isinstance(read, _Constant)}
        self._fields = [each for each in shown if not isinstance(each[1], _Constant)]

    def render(self, server: Server, around: Surroundings) -> dict[str, Any]:
        """One server."""
        shown = Shown(
            id=str(server.pk),
            server=server,
            status=server.status,
            host=around.hosts.get(server.hypervisor_id) if server.hypervisor_id else None,
            around=around,
            addresses=self._addresses,
            for_admin=self._for_admin,
            is_short=self._is_short_update,
        )
        body = dict(self._constants)
        for key, read in self._fields:
            value = read(shown)
            if value is not ABSENT:
                body[key] = value
        return body

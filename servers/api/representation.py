"""How a server looks on the wire: each field says since when, and to whom, it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import attrgetter
from typing import Any, Literal, get_args

from cloudportal.api.microversions import Microversion
from cloudportal.api.representation import (
    BOOLEAN,
    INTEGER,
    LINKS,
    OBJECT,
    STRING,
    array,
    mapping,
    nullable,
    record,
)
from cloudportal.api.views import ComputeView
from identity import policy
from identity.actors import Actor
from servers.api import readings
from servers.api.readings import ABSENT, Addresses, Constant, Shown, stored
from servers.models import Server
from servers.surroundings import Surroundings

Schema = dict[str, Any]
Kind = Literal["show", "detail", "update"]

WHOLE_UPDATE = Microversion(2, 75)


@dataclass(frozen=True)
class Field:
    """A key of the representation.

    The `read` of an `optional` one may answer ABSENT, then the key is left out.
    """

    key: str
    read: Callable[[Shown], Any]
    schema: Schema
    optional: bool = False
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


_BOOKMARK = array(record({"rel": {"const": "bookmark"}, "href": STRING}))
_LINKED = {"id": STRING, "links": _BOOKMARK}
# An empty text stands for a server that starts from a volume.
_IMAGE: Schema = {"anyOf": [record(_LINKED), {"const": ""}]}
_IMAGE_2_98: Schema = {"anyOf": [record({**_LINKED, "properties": mapping({})}), {"const": ""}]}
_FLAVOR = record(_LINKED)
_FLAVOR_2_47 = record(
    {
        **dict.fromkeys(("vcpus", "ram", "disk", "ephemeral", "swap"), INTEGER),
        "original_name": STRING,
    },
    {"extra_specs": mapping(STRING)},
)
_ADDRESS = {"version": {"enum": [4, 6]}, "addr": STRING}
_ADDRESS_DETAILS = {
    "OS-EXT-IPS:type": {"enum": ["fixed", "floating"]},
    "OS-EXT-IPS-MAC:mac_addr": STRING,
}
_ADDRESSES = mapping(array(record(_ADDRESS, _ADDRESS_DETAILS)))
_FAULT = record({"code": INTEGER, "created": STRING, "message": STRING}, {"details": STRING})
_DISK_CONFIG: Schema = {"enum": ["AUTO", "MANUAL"]}
_CONFIG_DRIVE: Schema = {"enum": ["True", ""]}
_HOST_STATUS: Schema = {"enum": ["UP", "DOWN", "MAINTENANCE", "UNKNOWN", ""]}
_MORE_FOR_ADMIN: dict[str, tuple[Callable[[Shown], Any], Schema]] = {
    "kernel_id": (Constant(""), STRING),
    "ramdisk_id": (Constant(""), STRING),
    "launch_index": (stored("launch_index"), INTEGER),
    "reservation_id": (stored("reservation_id"), STRING),
    "root_device_name": (stored("root_device_name"), nullable(STRING)),
    "user_data": (stored("user_data"), nullable(STRING)),
}
FIELDS = [
    Field("id", attrgetter("id"), STRING),
    Field("name", stored("name"), STRING),
    Field("status", attrgetter("status"), STRING),
    Field("tenant_id", stored("project_id"), STRING),
    Field("user_id", stored("user_id"), STRING),
    Field("metadata", stored("metadata"), mapping(STRING)),
    Field("hostId", readings.host_id, STRING),
    Field("image", readings.image, _IMAGE, until="2.97"),
    Field("image", readings.image_with_properties, _IMAGE_2_98, since="2.98"),
    Field("flavor", readings.flavor_link, _FLAVOR, until="2.46"),
    Field("flavor", readings.flavor_embedded, _FLAVOR_2_47, since="2.47"),
    Field("created", lambda shown: readings.instant(shown.server.created_at), STRING),
    Field("updated", lambda shown: readings.instant(shown.server.updated_at), STRING),
    Field("addresses", readings.addresses, _ADDRESSES),
    Field("accessIPv4", readings.text_ip("access_ip_v4"), STRING),
    Field("accessIPv6", readings.text_ip("access_ip_v6"), STRING),
    Field("links", readings.links, LINKS),
    Field("OS-DCF:diskConfig", stored("disk_config"), _DISK_CONFIG),
    Field("progress", readings.progress, INTEGER, optional=True),
    Field("fault", readings.fault, _FAULT, optional=True),
    Field(
        "OS-EXT-AZ:availability_zone", stored("availability_zone"), STRING, in_short_update=False
    ),
    Field(
        "config_drive",
        lambda shown: "True" if shown.server.has_config_drive else "",
        _CONFIG_DRIVE,
        in_short_update=False,
    ),
    Field("key_name", stored("key_name"), nullable(STRING), in_short_update=False),
    Field(
        "OS-SRV-USG:launched_at",
        lambda shown: readings.precise_instant(shown.server.launched_at),
        nullable(STRING),
        in_short_update=False,
    ),
    Field(
        "OS-SRV-USG:terminated_at",
        lambda shown: readings.precise_instant(shown.server.terminated_at),
        nullable(STRING),
        in_short_update=False,
    ),
    Field(
        "security_groups",
        readings.security_groups,
        array(record({"name": STRING})),
        optional=True,
        in_short_update=False,
    ),
    Field("OS-EXT-STS:task_state", stored("task_state"), nullable(STRING), in_short_update=False),
    Field("OS-EXT-STS:vm_state", stored("vm_state"), STRING, in_short_update=False),
    Field("OS-EXT-STS:power_state", stored("power_state"), INTEGER, in_short_update=False),
    Field(
        "os-extended-volumes:volumes_attached",
        readings.volumes_attached,
        array(record({"id": STRING})),
        until="2.2",
        in_short_update=False,
    ),
    Field(
        "os-extended-volumes:volumes_attached",
        readings.volumes_and_their_ends,
        array(record({"id": STRING, "delete_on_termination": BOOLEAN})),
        since="2.3",
        in_short_update=False,
    ),
    Field(
        "OS-EXT-SRV-ATTR:host",
        readings.host_name,
        nullable(STRING),
        admin_only=True,
        in_short_update=False,
    ),
    Field(
        "OS-EXT-SRV-ATTR:hypervisor_hostname",
        readings.node_name,
        nullable(STRING),
        admin_only=True,
        in_short_update=False,
    ),
    Field(
        "OS-EXT-SRV-ATTR:instance_name",
        stored("domain_name"),
        STRING,
        admin_only=True,
        in_short_update=False,
    ),
    Field(
        "OS-EXT-SRV-ATTR:hostname",
        stored("hostname"),
        STRING,
        since="2.3",
        admin_only_until="2.89",
        in_short_update=False,
    ),
    *(
        Field(
            f"OS-EXT-SRV-ATTR:{name}",
            read,
            schema,
            since="2.3",
            admin_only=True,
            in_short_update=False,
        )
        for name, (read, schema) in _MORE_FOR_ADMIN.items()
    ),
    Field("locked", lambda shown: bool(shown.server.locked_by), BOOLEAN, since="2.9"),
    Field(
        "host_status",
        readings.host_status,
        _HOST_STATUS,
        since="2.16",
        admin_only=True,
        in_short_update=False,
    ),
    Field("description", stored("description"), nullable(STRING), since="2.19"),
    Field("tags", stored("tags"), array(STRING), since="2.26"),
    Field("trusted_image_certificates", Constant(None), nullable(array(STRING)), since="2.63"),
    Field("server_groups", readings.server_groups, array(STRING), since="2.71", in_list=False),
    Field(
        "locked_reason",
        lambda shown: shown.server.locked_reason or None,
        nullable(STRING),
        since="2.73",
    ),
    Field("pinned_availability_zone", stored("pinned_zone"), nullable(STRING), since="2.96"),
    Field("scheduler_hints", stored("scheduler_hints"), OBJECT, since="2.100"),
]

# Columns that no list shows.
_NEVER_SHOWN = {
    *("request_spec", "options", "personality", "sealed_admin_password", "public_key"),
    *("group_id", "generation", "shelved_at", "shelved_image_id", "record_digest", "recorded_at"),
}


def listed_columns(version: Microversion, *, for_admin: bool) -> list[str]:
    """The columns that the fields of a list read at this version."""
    hidden = set(_NEVER_SHOWN)
    if not for_admin:
        hidden.add("user_data")
    if version < Microversion(2, 98):
        hidden.add("image_properties")
    if version < Microversion(2, 100):
        hidden.add("scheduler_hints")
    columns = [field.attname for field in Server._meta.concrete_fields]
    return [column for column in columns if column not in hidden]


def is_shown_to_admin(actor: Actor) -> bool:
    """Whether the actor sees on which host a server is, and the like."""
    return policy.allows(actor, "os_compute_api:os-extended-server-attributes")


class _Documented:
    """The form of a server as a JSON Schema, for the OpenAPI document."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    def at(self, version: Microversion) -> dict[str, Any]:
        """The keys at one microversion; what only administrators see is optional."""
        required: Schema = {}
        optional: Schema = {}
        for field in FIELDS:
            if field.is_shown(version, self._kind, for_admin=True):
                always = field.is_shown(version, self._kind, for_admin=False)
                shown = required if always and not field.optional else optional
                shown[field.key] = field.schema
        return record(required, optional)


SERVER = {kind: _Documented(kind) for kind in get_args(Kind)}


class ServerForm:
    """Renders servers for one request: the fields are chosen once, not for every server."""

    def __init__(
        self, view: ComputeView, version: Microversion, kind: Kind, *, for_admin: bool
    ) -> None:
        self._addresses = Addresses.of(view)
        self._for_admin = for_admin
        self._is_short_update = kind == "update" and version < WHOLE_UPDATE
        shown = [field for field in FIELDS if field.is_shown(version, kind, for_admin=for_admin)]
        # What is the same for every server comes first.
        self._fields = sorted(shown, key=lambda field: not isinstance(field.read, Constant))

    def render(self, server: Server, around: Surroundings) -> dict[str, Any]:
        """One server."""
        return self.render_all([server], around)[0]

    def render_all(self, servers: Sequence[Server], around: Surroundings) -> list[dict[str, Any]]:
        """Several servers: field by field, since that is quicker than server by server."""
        shown = [self._shown(server, around) for server in servers]
        keys = [field.key for field in self._fields]
        columns = [_column(field.read, shown) for field in self._fields]
        bodies = [dict(zip(keys, values, strict=True)) for values in zip(*columns, strict=True)]
        for key in [field.key for field in self._fields if field.optional]:
            for body in bodies:
                if body[key] is ABSENT:
                    del body[key]
        return bodies

    def _shown(self, server: Server, around: Surroundings) -> Shown:
        return Shown(
            id=str(server.id),
            server=server,
            status=server.status,
            host=around.hosts.get(server.hypervisor_id) if server.hypervisor_id else None,
            around=around,
            addresses=self._addresses,
            for_admin=self._for_admin,
            is_short=self._is_short_update,
        )


def _column(read: Callable[[Shown], Any], shown: Sequence[Shown]) -> Iterable[Any]:
    """What one field of each server is."""
    return repeat(read.value, len(shown)) if isinstance(read, Constant) else map(read, shown)

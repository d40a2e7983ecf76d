"""The words for what can be not as it should be, and for who may repair it."""

import uuid
from uuid import UUID

from django.db import models

_SPACE = uuid.UUID("0a3d1b38-5c0c-4f0f-9f43-7f2b0a0c2b52")


class Policy(models.TextChoices):
    """Who sets a repair going.

    Automatic ones are safe: they follow a state, make again what the books want, or remove what
    provably belongs to nobody. On request: data could be lost. Never: it is not ours.
    """

    AUTOMATIC = "automatic"
    ON_REQUEST = "on_request", "on request"
    NEVER = "never"


class Scope(models.TextChoices):
    """What was looked at: a host against the books, or the books alone."""

    HOST = "host"
    BOOKS = "books"


class FindingKind(models.TextChoices):
    """What is not as it should be."""

    POWER_STATE = "power_state", "power state differs"
    DOMAIN_MISSING = "domain_missing", "domain missing"
    DOMAIN_CHANGED = "domain_changed", "domain changed"
    METADATA_CHANGED = "metadata_changed", "metadata of a domain changed"
    DOMAIN_STRAY = "domain_stray", "domain of a server that is not here"
    DOMAIN_UNKNOWN = "domain_unknown", "domain of an unknown server"
    DOMAIN_FOREIGN = "domain_foreign", "foreign domain"
    VOLUME_STRAY = "volume_stray", "stray volume"
    VOLUME_MISSING = "volume_missing", "volume missing"
    VOLUME_FOREIGN = "volume_foreign", "foreign volumes"
    IMAGE_STRAY = "image_stray", "stray base image"
    IMAGE_UNRECORDED = "image_unrecorded", "base image without a record"
    IMAGE_RECORD_STALE = "image_record_stale", "record of a base image that is gone"
    DHCP_STALE = "dhcp_stale", "stale DHCP entry"
    DHCP_MISSING = "dhcp_missing", "DHCP entry missing or wrong"
    FILTER_STALE = "filter_stale", "stale port filter"
    FILTER_MISSING = "filter_missing", "port filter missing"
    FILTER_CHANGED = "filter_changed", "port filter changed"
    NETWORK_MISSING = "network_missing", "network missing or stopped"
    NETWORK_STRAY = "network_stray", "network that the books do not know"
    INTERFACE_UNPLUGGED = "interface_unplugged", "interface not plugged into its network"
    ALLOCATION_LEAKED = "allocation_leaked", "leaked allocation"
    ALLOCATION_MISSING = "allocation_missing", "allocation missing"
    COUNTERS_DIFFER = "counters_differ", "counters of a host differ from its allocations"
    SLOT_LEAKED = "slot_leaked", "leaked build slot"
    QUOTA_LEAKED = "quota_leaked", "quota without an owner"
    QUOTA_MISSING = "quota_missing", "quota not counted"
    PORT_STRAY = "port_stray", "port of a server that is gone"
    PORT_DIFFERS = "port_differs", "binding of a port differs"
    SERVER_STUCK = "server_stuck", "server at work without work"
    SERVER_HOST_DIFFERS = "server_host_differs", "host of a server differs from its allocation"


def subject_of(*, scope: str, hypervisor_id: int | None, server_id: UUID | None) -> UUID:
    """What a repair is an operation of: the server, else all of the host that is of no server."""
    return server_id or uuid.uuid5(_SPACE, f"{scope} {hypervisor_id}")

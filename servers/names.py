"""Names and hostnames of new servers, and the id of the reservation they share."""

from __future__ import annotations

import re
import secrets
import string
from uuid import UUID

HOSTNAME_LENGTH = 63
_TO_HYPHEN = re.compile(r"[ _.]")
_DROPPED = re.compile(r"[^\w-]", re.ASCII)


def numbered(name: str, index: int, count: int) -> str:
    """The name of the `index`th (from 0) of `count` servers: `web`, or `web-1`, `web-2` …"""
    return name if count == 1 else f"{name}-{index + 1}"


def hostname_from(name: str, server_id: UUID) -> str:
    """A hostname made of a server's name; `Server-<uuid>` when nothing of the name is left.

    Source: the compute API: non latin-1 characters are dropped, space, `_` and `.` become `-`,
    other symbols vanish, and outer `.` and `-` are cut.
    """
    text = name.encode("latin-1", "ignore").decode("latin-1")
    text = _DROPPED.sub("", _TO_HYPHEN.sub("-", text)).lower().strip(".-")
    return text[:HOSTNAME_LENGTH].strip(".-") or f"Server-{server_id}"


def hostname_numbered(name: str, server_id: UUID, index: int, count: int) -> str:
    """The hostname of the `index`th of `count` servers; the number is never cut off."""
    if count == 1:
        return hostname_from(name, server_id)
    suffix = f"-{index + 1}"
    stem = hostname_from(name, server_id)
    if stem.startswith("Server-"):
        return stem
    return stem[: HOSTNAME_LENGTH - len(suffix)].rstrip("-") + suffix


def new_reservation_id() -> str:
    """A fresh reservation id, `r-` and eight characters."""
    alphabet = string.ascii_lowercase + string.digits
    return "r-" + "".join(secrets.choice(alphabet) for _ in range(8))

"""Which addresses the portal fetches images from when a user says so.

A URI comes from a tenant, and the portal stands where tenants do not: beside hosts, databases and
services that trust whoever reaches them. So a name is resolved once, every address of it has to be
a public one, and it is that address that is connected to. An administrator may name networks,
such as that of a mirror, which are allowed whatever they are.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from images.errors import SourceRefused, SourceUnavailable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PORTS = {"http": 80, "https": 443}
MAX_URI = 2048
# Source: IANA, IPv4 Special-Purpose Address Registry, with multicast. Written out, since what the
# standard library calls global differs between versions of Python.
_CLOSED_V4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24"),
        *("192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    )
)
# Only this part of IPv6 is given out; loopback, link-local, unique-local, multicast, IPv4-mapped
# and NAT64 addresses lie outside of it.
_OPEN_V6 = ipaddress.IPv6Network("2000::/3")
# Inside of it: protocol assignments with Teredo, documentation, 6to4, AS112.
_CLOSED_V6 = tuple(
    ipaddress.IPv6Network(text)
    for text in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)


@dataclass(frozen=True)
class Source:
    """A URI that may be asked, taken apart; `target` is what is sent to the server."""

    scheme: str
    host: str
    port: int
    target: str


def parse_uri(uri: object) -> Source:
    """Take a URI apart that an image is to be fetched from; nothing is resolved.

    Raises:
        SourceRefused: it is no http or https address, or it names a user or a password.
    """
    if not isinstance(uri, str) or not 0 < len(uri) <= MAX_URI:
        raise SourceRefused("The uri of the image must be a text of at most 2048 characters.")
    # What programs read differently: a backslash may end a name for one of them.
    if not uri.isascii() or any(letter <= " " or letter in '\x7f\\"<>^`{|}' for letter in uri):
        raise SourceRefused("The uri of the image has characters that no uri has.")
    parts = _split(uri)
    if parts.scheme not in PORTS:
        raise SourceRefused("The uri of the image must be an http or https address.")
    if "@" in parts.netloc:
        raise SourceRefused("The uri of the image may not hold a user or a password.")
    if not parts.hostname or "%" in parts.netloc:
        raise SourceRefused("The uri of the image names no host.")
    query = f"?{parts.query}" if parts.query else ""
    return Source(
        scheme=parts.scheme,
        host=parts.hostname,
        port=parts.port or PORTS[parts.scheme],
        target=f"{parts.path or '/'}{query}",
    )


def _split(uri: str) -> SplitResult:
    try:
        parts = urlsplit(uri)
        is_sane = parts.port != 0
    except ValueError:
        is_sane = False
    if not is_sane:
        raise SourceRefused("The uri of the image makes no sense.")
    return parts


def addresses_of(source: Source, allowed: Sequence[Network]) -> list[Address]:
    """Every address of the source's host, all of them good, in the resolver's order.

    Raises:
        SourceRefused: one of them, or the port, is not to be reached.
        SourceUnavailable: the name has none at the moment.
    """
    found: dict[Address, None] = {}
    for text in _resolved(source):
        address = ipaddress.ip_address(text)
        check_address(address, source, allowed)
        found[address] = None
    return list(found)


def check_literal(source: Source, allowed: Sequence[Network]) -> None:
    """Refuse at once a host that is written as an address and is not to be reached.

    Raises:
        SourceRefused: it is such a one.
    """
    try:
        address = ipaddress.ip_address(source.host)
    except ValueError:
        return
    check_address(address, source, allowed)


def check_address(address: Address, source: Source, allowed: Sequence[Network]) -> None:
    """Let pass a public address at its scheme's port, and any in an allowed network.

    Raises:
        SourceRefused: it is neither.
    """
    if any(address.version == each.version and address in each for each in allowed):
        return
    # One sentence for all: whoever asks does not learn what a name means inside.
    if not is_public(address) or source.port not in PORTS.values():
        raise SourceRefused(
            "Images may not be fetched from this host or port.",
            detail=f"{source.host} is {address}, port {source.port}",
        )


def is_public(address: Address) -> bool:
    """Whether it is anybody's on the internet, and nothing of this network."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in each for each in _CLOSED_V4)
    if address.scope_id is not None or address not in _OPEN_V6:
        return False
    return not any(address in each for each in _CLOSED_V6)


def _resolved(source: Source) -> list[str]:
    try:
        found = socket.getaddrinfo(source.host, source.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise SourceUnavailable(
            "The host of the image's uri has no address.", detail=f"{source.host}: {error}"
        ) from error
    return [str(sockaddr[0]) for *_, sockaddr in found]

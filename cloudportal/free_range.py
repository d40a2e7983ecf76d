"""Find addresses for the first network that this machine does not route elsewhere already."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

ROUTES = Path("/proc/net/route")
CANDIDATES = [IPv4Network(f"10.{second}.0.0/24") for second in range(77, 127)]


def free_range(routes: Path = ROUTES) -> str:
    """The first candidate that no route but the default one covers, as text.

    Another portal's network on this machine would be such a route; libvirt refuses to start two
    networks with the same addresses.
    """
    taken = _routed(routes.read_text()) if routes.is_file() else []
    free = (each for each in CANDIDATES if not any(each.overlaps(known) for known in taken))
    return str(next(free, CANDIDATES[0]))


def _routed(table: str) -> list[IPv4Network]:
    """The kernel's table: destination and mask as hexadecimal numbers in host byte order."""
    found = []
    for line in table.splitlines()[1:]:
        words = line.split()
        destination, mask = (int.from_bytes(bytes.fromhex(words[n]), "little") for n in (1, 7))
        if mask:
            found.append(IPv4Network((destination, str(IPv4Address(mask)))))
    return found

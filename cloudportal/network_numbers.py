"""Reads the settings that say what networks are made of when nobody says, and name networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network

from django.core.exceptions import ImproperlyConfigured

_TYPES = ("nat", "vxlan")
_LARGEST_VLAN, _LARGEST_VXLAN = 4094, (1 << 24) - 1


def network_type(text: str) -> str:
    """The type of networks that name none.

    Raises:
        ImproperlyConfigured: it is none that every host can have.
    """
    if text not in _TYPES:
        raise ImproperlyConfigured(f"CLOUDPORTAL_NETWORK_TYPE is nat or vxlan, not {text!r}.")
    return text


def address_ranges(texts: Iterable[str], where: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """What the setting of that name says: networks, as 10.0.0.0/8.

    Raises:
        ImproperlyConfigured: one of them is none.
    """
    try:
        return tuple(ip_network(text.strip()) for text in texts)
    except ValueError as error:
        raise ImproperlyConfigured(f"{where}: {error}") from error


def vxlan_numbers(text: str) -> range:
    """What FIRST:LAST says.

    Raises:
        ImproperlyConfigured: it says nothing of the kind.
    """
    return _numbers(text, _LARGEST_VXLAN, f"CLOUDPORTAL_VXLAN_IDS: {text!r}")


def vlan_numbers(texts: Iterable[str]) -> Mapping[str, range]:
    """What NAME:FIRST:LAST says, of each physical network once.

    Raises:
        ImproperlyConfigured: it says nothing of the kind.
    """
    found: dict[str, range] = {}
    for text in texts:
        name, _, numbers = text.partition(":")
        where = f"CLOUDPORTAL_VLAN_IDS: {text!r}"
        if not name or name in found:
            raise ImproperlyConfigured(f"{where} is not NAME:FIRST:LAST of another name.")
        found[name] = _numbers(numbers, _LARGEST_VLAN, where)
    return found


def _numbers(text: str, largest: int, where: str) -> range:
    first, _, last = text.partition(":")
    if not (first.isdecimal() and last.isdecimal()) or not 1 <= int(first) <= int(last) <= largest:
        raise ImproperlyConfigured(f"{where} is not FIRST:LAST, of numbers from 1 to {largest}.")
    return range(int(first), int(last) + 1)

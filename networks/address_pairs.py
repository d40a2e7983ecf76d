"""Addresses that a port's guest may send as besides its own: of those it stands in for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from typing import Any

from identity.actors import Actor
from networks.errors import (
    AddressPairAndPortSecurityRequired,
    DuplicateAddressPairInRequest,
    InvalidInput,
)
from networks.lookup import require
from networks.models import Network

MOST_PAIRS = 10


def checked_pairs(wanted: Iterable[Mapping[str, Any]], mac: str) -> list[list[str]]:
    """As they are kept: MAC address, by default the port's own, and address or network.

    Raises:
        InvalidInput: one is none, or there are too many.
        DuplicateAddressPairInRequest: one is there twice.
    """
    found: list[list[str]] = []
    for each in wanted:
        pair = [checked_mac(each["mac_address"]) if each.get("mac_address") else mac]
        pair.append(_address(str(each["ip_address"])))
        if pair in found:
            raise DuplicateAddressPairInRequest(
                f"Request contains duplicate address pair: mac_address {pair[0]} ip_address "
                f"{pair[1]}."
            )
        found.append(pair)
    if len(found) > MOST_PAIRS:
        raise InvalidInput(
            "Invalid input for allowed_address_pairs. Reason: Exceeded maximum amount of "
            f"{MOST_PAIRS}."
        )
    return found


def check_may_forge(
    actor: Actor, network: Network, *, has_port_security: bool, pairs: Iterable[object]
) -> None:
    """Whether the actor may let a port send as others: on a network of its own, or as admin.

    Raises:
        PolicyNotAuthorized: others are on the network, and it is not the actor's.
        AddressPairAndPortSecurityRequired: without port security pairs would have no effect.
    """
    if not has_port_security:
        require(actor, "create_port:port_security_enabled", network.project_id)
        if pairs:
            raise AddressPairAndPortSecurityRequired(
                "Port Security must be enabled in order to have allowed address pairs on a port."
            )
    if pairs:
        require(actor, "create_port:allowed_address_pairs", network.project_id)


def _address(text: str) -> str:
    try:
        network = ip_network(text)
    except ValueError:
        raise InvalidInput(
            f"Invalid input for allowed_address_pairs. Reason: '{text[:64]}' is not a valid IP "
            "address or network."
        ) from None
    is_one = network.num_addresses == 1 and "/" not in text
    return str(network.network_address) if is_one else str(network)


def checked_mac(text: str) -> str:
    """A unicast MAC address in canonical form.

    Raises:
        InvalidInput: it is none.
    """
    octets = text.lower().replace("-", ":").split(":")
    is_mac = len(octets) == 6 and all(
        len(o) == 2 and set(o) <= set("0123456789abcdef") for o in octets
    )
    if not is_mac or int(octets[0], 16) & 1 or set(octets) == {"00"}:
        raise InvalidInput(f"'{text[:64]}' is not a valid MAC address.")
    return ":".join(octets)

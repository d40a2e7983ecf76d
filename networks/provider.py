"""What a new network is made of: checked against what is asked, with a number that is free.

The database's constraints decide whether a number is free, never a look beforehand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from django.conf import settings
from django.db import IntegrityError, transaction

from hypervisors.segments import VLAN_IDS, VXLAN_IDS, VXLAN_OVERHEAD
from networks.errors import (
    FlatNetworkInUse,
    InvalidInput,
    NoNetworkAvailable,
    TunnelIdInUse,
    VlanIdInUse,
)
from networks.models import Network, NetworkType

UNDERLAY_MTU = 1500
# More than ever choose at once; each of those may take one number away.
_ATTEMPTS = 100


@dataclass(frozen=True)
class Provider:
    """As asked for; `type` None is the cloud's own choice, `segment` None any that is free."""

    type: NetworkType | None = None
    physical_network: str = ""
    segment: int | None = None


@dataclass(frozen=True)
class CheckedProvider:
    """What makes sense; `segment` None where there is none, or any that is free."""

    type: NetworkType
    physical_network: str = ""
    segment: int | None = None


def checked_provider(wanted: Provider, *, is_external: bool) -> CheckedProvider:
    """The same with its type, where it makes sense.

    Raises:
        InvalidInput: it does not.
    """
    if is_external:
        if wanted.type not in (None, NetworkType.FLAT) or wanted.segment is not None:
            raise _invalid(
                "external networks are of the type 'flat' and may name a physical network."
            )
        # Nobody makes it on a host, so it is of no type there.
        return CheckedProvider(NetworkType.NAT, wanted.physical_network)
    if wanted.type is None and (wanted.physical_network or wanted.segment is not None):
        raise _invalid("network_type required")
    kind = wanted.type or NetworkType(settings.NETWORK_TYPE)
    _CHECKS[kind](wanted)
    return CheckedProvider(kind, wanted.physical_network, wanted.segment)


def _check_nat(wanted: Provider) -> None:
    if wanted.physical_network or wanted.segment is not None:
        raise _invalid("networks of the type 'local' lie on no physical network.")


def _check_flat(wanted: Provider) -> None:
    if wanted.segment is not None:
        raise _invalid("segmentation_id specified for flat network")
    _check_physical(wanted, "flat")


def _check_vlan(wanted: Provider) -> None:
    _check_physical(wanted, "vlan")
    _check_range(wanted, VLAN_IDS)
    if wanted.segment is None and wanted.physical_network not in settings.VLAN_IDS:
        raise _invalid(
            "segmentation_id required: no VLANs of the physical network "
            f"'{wanted.physical_network}' are set aside for networks that name none."
        )


def _check_vxlan(wanted: Provider) -> None:
    if wanted.physical_network:
        raise _invalid("provider:physical_network specified for vxlan network")
    _check_range(wanted, VXLAN_IDS)


_CHECKS = {
    NetworkType.NAT: _check_nat,
    NetworkType.FLAT: _check_flat,
    NetworkType.VLAN: _check_vlan,
    NetworkType.VXLAN: _check_vxlan,
}


def _check_physical(wanted: Provider, kind: str) -> None:
    if not wanted.physical_network:
        raise _invalid(f"physical_network required for {kind} provider network")


def _check_range(wanted: Provider, numbers: range) -> None:
    if wanted.segment is not None and wanted.segment not in numbers:
        raise _invalid(f"segmentation_id out of range ({numbers[0]} through {numbers[-1]}).")


def _invalid(text: str) -> InvalidInput:
    return InvalidInput(f"Invalid input for operation: {text}")


def default_mtu(provider: CheckedProvider) -> int:
    """What fits into the frames that hosts send each other; a tunnel takes its share of them."""
    return UNDERLAY_MTU - (VXLAN_OVERHEAD if provider.type == NetworkType.VXLAN else 0)


def save_network(network: Network) -> None:
    """Insert the network, with a free number where it needs one and has none.

    Raises:
        FlatNetworkInUse, VlanIdInUse, TunnelIdInUse: another network has what was asked for.
        NoNetworkAvailable: no number is left.
    """
    if network.type not in (NetworkType.VLAN, NetworkType.VXLAN) or network.segment is not None:
        if not _saved(network):
            raise _in_use(network)
        return
    for number in islice(_free_numbers(network), _ATTEMPTS):
        network.segment = number
        if _saved(network):
            return
    raise NoNetworkAvailable(
        "Unable to create the network. No tenant network is available for allocation."
    )


def _saved(network: Network) -> bool:
    try:
        with transaction.atomic():
            network.save(force_insert=True)
    except IntegrityError:
        return False
    return True


def _free_numbers(network: Network) -> Iterator[int]:
    """The lowest first; others who choose at once get the next ones."""
    taken = Network.objects.filter(type=network.type, physical_network=network.physical_network)
    numbers = (
        settings.VXLAN_IDS
        if network.type == NetworkType.VXLAN
        else settings.VLAN_IDS[network.physical_network]
    )
    gone = set(taken.values_list("segment", flat=True))
    return (number for number in numbers if number not in gone)


def _in_use(network: Network) -> Exception:
    if network.type == NetworkType.FLAT:
        return FlatNetworkInUse(
            "Unable to create the flat network. Physical network "
            f"{network.physical_network} is in use."
        )
    if network.type == NetworkType.VLAN:
        return VlanIdInUse(
            f"Unable to create the network. The VLAN {network.segment} on physical network "
            f"{network.physical_network} is in use."
        )
    return TunnelIdInUse(
        f"Unable to create the network. The tunnel ID {network.segment} is in use."
    )

"""Where the networks outside are on a host, as administrators say."""

from __future__ import annotations

from ipaddress import ip_address

from django.core.exceptions import ValidationError

from cloudportal.errors import Invalid
from hypervisors.models import Hypervisor, PhysicalNetwork


def set_physical_network(hypervisor: Hypervisor, name: str, interface: str) -> None:
    """Say by which interface or bridge the host is on a network outside; "" is that it is not.

    Raises:
        Invalid: no network or no interface can be called so.
    """
    rows = PhysicalNetwork.objects.filter(hypervisor=hypervisor, name=name)
    if not interface:
        rows.delete()
        return
    wanted = PhysicalNetwork(hypervisor=hypervisor, name=name, interface=interface)
    try:
        wanted.clean_fields()
    except ValidationError as error:
        raise Invalid(" ".join(error.messages)) from error
    PhysicalNetwork.objects.update_or_create(
        hypervisor=hypervisor, name=name, defaults={"interface": interface}
    )


def set_tunnel_address(hypervisor: Hypervisor, address: str) -> None:
    """Say where other hosts reach this one's tunnels; "" is at the address in its URI.

    Raises:
        Invalid: it is no address.
    """
    try:
        found = str(ip_address(address)) if address else None
    except ValueError as error:
        raise Invalid(str(error)) from error
    Hypervisor.objects.filter(pk=hypervisor.pk).update(tunnel_address=found)

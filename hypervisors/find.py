"""Find hosts, as every room that is asked about one does."""

from __future__ import annotations

from uuid import UUID

from hypervisors.errors import HypervisorNotFound
from hypervisors.models import Hypervisor


def host_by_uuid(identifier: str) -> Hypervisor:
    """The host of this UUID: so calls beyond Nova's name it at every microversion.

    Raises:
        HypervisorNotFound: there is none, as of what is no UUID.
    """
    try:
        found = Hypervisor.objects.filter(uuid=UUID(identifier)).first()
    except ValueError:
        found = None
    if found is None:
        raise HypervisorNotFound(f"Hypervisor with ID '{identifier}' could not be found.")
    return found

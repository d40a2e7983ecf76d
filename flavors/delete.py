"""Take a flavor off the offer; servers keep their copy of it."""

from __future__ import annotations

import flavors.rules  # noqa: F401 - declares the rules
from flavors.errors import FlavorNotFound
from flavors.models import Flavor
from identity import policy
from identity.actors import Actor


def delete_flavor(*, flavorid: str, actor: Actor) -> None:
    """Delete a flavor with its access list.

    Raises:
        Forbidden: only administrators delete flavors.
        FlavorNotFound: there is none of that id.
    """
    policy.require(actor, "os_compute_api:os-flavor-manage:delete")
    deleted, _ = Flavor.objects.filter(flavorid=flavorid).delete()
    if not deleted:
        raise FlavorNotFound(flavorid)

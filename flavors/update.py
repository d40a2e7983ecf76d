"""Change what may change of a flavor: its description, nothing else."""

from __future__ import annotations

import flavors.rules  # noqa: F401 - declares the rules
from flavors.models import Flavor
from identity import policy
from identity.actors import Actor


def update_flavor(*, flavor: Flavor, description: str | None, actor: Actor) -> Flavor:
    """Set the description.

    Raises:
        Forbidden: only administrators change flavors.
    """
    policy.require(actor, "os_compute_api:os-flavor-manage:update")
    flavor.description = description
    flavor.save(update_fields=["description"])
    return flavor

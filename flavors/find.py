"""Find the flavors that somebody may use."""

from __future__ import annotations

from flavors.errors import FlavorNotFound
from flavors.models import Flavor, FlavorQuerySet
from identity.actors import Actor


def flavors_for(actor: Actor, *, is_public: bool | None = True) -> FlavorQuerySet:
    """The flavors an actor is shown.

    Only an administrator can choose: private flavors alone (False), or all (None). With True, and
    for everybody else, these are the public ones and those shared with the actor's project.
    """
    flavors = FlavorQuerySet(Flavor)
    if not actor.is_admin:
        return flavors.visible_to(actor.project_id).filter(is_disabled=False)
    if is_public is None:
        return flavors.all()
    if is_public:
        return flavors.visible_to(actor.project_id)
    return flavors.filter(is_public=False)


def find_flavor(*, flavorid: str, actor: Actor) -> Flavor:
    """The flavor of that id.

    Raises:
        FlavorNotFound: there is none, or it is private and not shared with the actor's project.
    """
    flavors = FlavorQuerySet(Flavor)
    if not actor.is_admin:
        flavors = flavors.visible_to(actor.project_id)
    flavor = flavors.filter(flavorid=flavorid).first()
    if flavor is None:
        raise FlavorNotFound(flavorid)
    return flavor

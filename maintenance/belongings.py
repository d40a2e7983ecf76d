"""What a project owns, kind by kind in the order in which it can be removed, and what prevents it.

Key pairs are of users, and copies of deleted rows are nobody's: neither is here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from flavors.models import FlavorAccess
from identity.models import ApplicationCredential, RoleAssignment, RoleGrant
from images.models import Image, ImageStatus
from networks.models import FixedIP, FloatingIP, Network, Port, Router, SecurityGroup, Subnet
from networks.routers import ROUTER_INTERFACE
from quotas.models import QuotaLimit, Reservation, UserQuotaLimit
from servers.models import Server, ServerGroup
from volumes.models import Attachment, Snapshot, Volume

Rows = QuerySet[Any]


@dataclass(frozen=True)
class Belonging:
    """A kind of thing that projects own.

    `rows` finds a project's. `label` is the column that says more than the id does, if there is
    one. What `goes_with` the project needs no removal of its own.
    """

    kind: str
    rows: Callable[[str], Rows]
    label: str = ""
    goes_with: bool = False

    @property
    def words(self) -> str:
        """The kind for a sentence."""
        return self.kind.replace("_", " ").replace("ips", "IPs")


@dataclass(frozen=True)
class Obstacle:
    """Things of a kind that must not, or cannot, be removed as they are; `reason` says why."""

    kind: str
    reason: str
    rows: Callable[[str], Rows]


def _owned(model: Any) -> Callable[[str], Rows]:
    return lambda project_id: model._default_manager.filter(project_id=project_id)


def _servers(project_id: str) -> Rows:
    return Server.objects.alive().filter(project_id=project_id)


def _images(project_id: str) -> Rows:
    return Image.objects.filter(owner=project_id).exclude(status=ImageStatus.DELETED)


def _ports(project_id: str) -> Rows:
    # A router's interfaces go with it.
    owned = Port.objects.filter(project_id=project_id)
    return owned.exclude(device_owner=ROUTER_INTERFACE)


def _subnets(project_id: str) -> Rows:
    return Subnet.objects.filter(Q(project_id=project_id) | Q(network__project_id=project_id))


BELONGINGS = (
    Belonging("servers", _servers, "name"),
    Belonging("images", _images, "name"),
    Belonging("volume_snapshots", _owned(Snapshot), "name"),
    Belonging("volumes", _owned(Volume), "name"),
    Belonging("floating_ips", _owned(FloatingIP), "address"),
    Belonging("routers", _owned(Router), "name"),
    Belonging("ports", _ports, "name"),
    Belonging("subnets", _subnets, "cidr"),
    Belonging("networks", _owned(Network), "name"),
    Belonging("security_groups", _owned(SecurityGroup), "name"),
    Belonging("server_groups", _owned(ServerGroup), "name"),
    Belonging("flavor_access", _owned(FlavorAccess), "flavor__name"),
    Belonging("application_credentials", _owned(ApplicationCredential), "name", goes_with=True),
    Belonging("role_assignments", _owned(RoleAssignment), "user__name", goes_with=True),
    Belonging("group_assignments", _owned(RoleGrant), "group__name", goes_with=True),
    Belonging("quota_limits", _owned(QuotaLimit), "resource", goes_with=True),
    Belonging("user_quota_limits", _owned(UserQuotaLimit), "resource", goes_with=True),
    Belonging("reservations", _owned(Reservation), "resource", goes_with=True),
)
BY_KIND = {each.kind: each for each in BELONGINGS}


def _used_images(project_id: str) -> Rows:
    others = Server.objects.alive().exclude(project_id=project_id).exclude(image_id=None)
    return _images(project_id).filter(pk__in=others.values("image_id"))


def _lent_volumes(project_id: str) -> Rows:
    # Whose server it is cannot be joined: attachments know servers by their ids alone.
    others = Server.objects.alive().exclude(project_id=project_id)
    held = Attachment.objects.filter(volume=OuterRef("pk"), server_id__in=others.values("pk"))
    return Volume.objects.filter(Exists(held), project_id=project_id)


def _lent_ports(project_id: str) -> Rows:
    owned = _ports(project_id).exclude(device_id="")
    devices = list(owned.values_list("device_id", flat=True))
    # A device is text of whatever form; the ids of servers are read, not compared in SQL.
    of_others = Server.objects.alive().exclude(project_id=project_id)
    held = of_others.filter(pk__in=[each for each in devices if len(each) == _UUID_LENGTH])
    return owned.filter(device_id__in=[str(key) for key in held.values_list("pk", flat=True)])


def _shared_networks(project_id: str) -> Rows:
    others = Port.objects.filter(network=OuterRef("pk")).exclude(project_id=project_id)
    return Network.objects.filter(Exists(others), project_id=project_id)


def _ways_out(project_id: str) -> Rows:
    routers = Router.objects.filter(external_network=OuterRef("pk"))
    addresses = FloatingIP.objects.filter(network=OuterRef("pk"))
    return Network.objects.filter(
        Exists(routers.exclude(project_id=project_id))
        | Exists(addresses.exclude(project_id=project_id)),
        project_id=project_id,
    )


def _shared_subnets(project_id: str) -> Rows:
    """Those on networks of others; on its own ones the network tells."""
    others = FixedIP.objects.filter(subnet=OuterRef("pk")).exclude(port__project_id=project_id)
    foreign = Subnet.objects.filter(project_id=project_id).exclude(network__project_id=project_id)
    return foreign.filter(Exists(others))


def _shared_routers(project_id: str) -> Rows:
    others = FloatingIP.objects.filter(router=OuterRef("pk")).exclude(project_id=project_id)
    return Router.objects.filter(Exists(others), project_id=project_id)


def _followed_groups(project_id: str) -> Rows:
    through = Port.security_groups.through.objects.filter(securitygroup=OuterRef("pk"))
    others = through.exclude(port__project_id=project_id)
    return SecurityGroup.objects.filter(Exists(others), project_id=project_id)


OBSTACLES = (
    Obstacle("servers", "locked: unlock it", lambda key: _servers(key).exclude(locked_by="")),
    Obstacle("servers", "adopted: release it", lambda key: _servers(key).exclude(adopted_name="")),
    Obstacle(
        "images", "protected: unprotect it", lambda key: _images(key).filter(is_protected=True)
    ),
    Obstacle("images", "servers of other projects were made from it", _used_images),
    Obstacle("volumes", "a server of another project has it", _lent_volumes),
    Obstacle("routers", "floating IPs of other projects lead through it", _shared_routers),
    Obstacle("ports", "a server of another project has it", _lent_ports),
    Obstacle("subnets", "ports of other projects have its addresses", _shared_subnets),
    Obstacle("networks", "ports of other projects are on it", _shared_networks),
    Obstacle("networks", "floating IPs or routers of other projects go out by it", _ways_out),
    Obstacle("security_groups", "ports of other projects follow it", _followed_groups),
)
_UUID_LENGTH = 36


@dataclass(frozen=True)
class Some:
    """How many there are, and the first of them as pairs of id and label."""

    kind: str
    count: int
    first: list[tuple[str, str]]
    reason: str = ""

    @property
    def words(self) -> str:
        """The kind for a sentence."""
        return BY_KIND[self.kind].words

    @property
    def has_more(self) -> bool:
        """Whether there are others than the first."""
        return self.count > len(self.first)


def owned_by(project_id: str, *, first: int) -> list[Some]:
    """What a project owns, in the order of removal; kinds of which it has nothing are left out."""
    found = (_some(each, each.rows(project_id), first) for each in BELONGINGS)
    return [each for each in found if each.count]


def in_the_way(project_id: str, *, first: int) -> list[Some]:
    """What keeps a project from being removed, in the order of removal."""
    found = (
        _some(BY_KIND[each.kind], each.rows(project_id), first, each.reason) for each in OBSTACLES
    )
    return [each for each in found if each.count]


def described(found: Some) -> str:
    """An obstacle in words: `2 servers (locked: unlock it): web-1, web-2`."""
    names = ", ".join(label or key for key, label in found.first)
    more = ", …" if found.has_more else ""
    return f"{found.count} {found.words} ({found.reason}): {names}{more}"


def labelled(belonging: Belonging, rows: Rows) -> list[tuple[str, str]]:
    """Rows as pairs of id and label, in the order of their ids."""
    columns = ["pk", belonging.label] if belonging.label else ["pk", "pk"]
    return [(str(key), label or "") for key, label in rows.values_list(*columns)]


def _some(belonging: Belonging, rows: Rows, first: int, reason: str = "") -> Some:
    count = rows.count()
    some = labelled(belonging, rows.order_by("pk")[:first]) if count and first else []
    return Some(belonging.kind, count, some, reason)

"""A project that owns something of every kind, made as its users make it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from flavors.models import Flavor, FlavorAccess
from identity.actors import Actor, with_implied
from identity.bootstrap import ensure_domain_and_roles
from identity.models import (
    ApplicationCredential,
    Group,
    Project,
    Role,
    RoleAssignment,
    RoleGrant,
    User,
)
from images.create import create_image
from images.models import Image
from networks.create import (
    NewNetwork,
    NewPort,
    NewSubnet,
    create_network,
    create_port,
    create_subnet,
)
from networks.floating_ips import NewFloatingIP, create_floating_ip
from networks.models import FloatingIP, Network, Port, Router, SecurityGroup, Subnet
from networks.routers import NewRouter, add_interface, create_router
from networks.security_groups import create_group as create_security_group
from quotas.models import QuotaLimit, UserQuotaLimit
from servers.groups import create_group as create_server_group
from servers.models import ServerGroup
from volumes.create import NewVolume, create_volume
from volumes.models import Snapshot, Volume
from volumes.snapshots import NewSnapshot, create_snapshot

NAME = "doomed"
NETWORK_PEOPLE = "0" * 31 + "9"
# What is owned when no server or volume was made, in the order of removal.
AT_REST = {
    "images": 1,
    "floating_ips": 1,
    "routers": 1,
    "ports": 1,
    "subnets": 1,
    "networks": 1,
    "security_groups": 2,
    "server_groups": 1,
    "flavor_access": 1,
    "application_credentials": 1,
    "role_assignments": 1,
    "group_assignments": 1,
    "quota_limits": 1,
    "user_quota_limits": 1,
}


@dataclass(frozen=True)
class Furnished:
    """The project, somebody who runs it, and its own network."""

    project: Project
    actor: Actor
    network: Network


def furnish() -> Furnished:
    """Make the project with one of everything but servers and volumes."""
    ensure_domain_and_roles()
    now = timezone.now()
    project = Project.objects.create(name=NAME)
    user, _ = User.objects.get_or_create(name="dora", defaults={"domain_id": "default"})
    member = Role.objects.get(name="member")
    RoleAssignment.objects.create(user=user, project=project, role=member)
    group, _ = Group.objects.get_or_create(name="them")
    RoleGrant.objects.create(group=group, project=project, role=member)
    ApplicationCredential.objects.create(
        user=user, project=project, name="robot", secret_hash="x", role_ids=[member.pk]
    )
    QuotaLimit.objects.create(project_id=project.id, resource="cores", limit=40)
    UserQuotaLimit.objects.create(project_id=project.id, user_id=user.id, resource="cores", limit=4)
    special, _ = Flavor.objects.get_or_create(
        flavorid="special",
        defaults={
            **{"name": "special", "vcpus": 1, "ram_mib": 64, "disk_gib": 0, "extra_specs": {}},
            "is_public": False,
        },
    )
    FlavorAccess.objects.create(flavor=special, project_id=project.id)
    roles = with_implied(["admin"])
    actor = Actor(user.id, "dora", project.id, NAME, roles, request_id="req-of-dora")
    who: dict[str, Any] = {"actor": actor, "now": now}
    network = create_network(wanted=NewNetwork(name="own"), **who)
    subnet = create_subnet(wanted=NewSubnet(network_id=str(network.pk), cidr="10.77.0.0/24"), **who)
    router = create_router(
        wanted=NewRouter(name="way", external_network_id=str(_public().pk)), **who
    )
    add_interface(router=router, subnet_id=str(subnet.pk), port_id=None, **who)
    create_port(wanted=NewPort(network_id=str(network.pk), name="spare"), **who)
    create_floating_ip(wanted=NewFloatingIP(network_id=str(_public().pk)), **who)
    create_security_group(name="web", description="", project_id=None, **who)
    create_server_group(name="apart", group_policy="anti-affinity", group_rules={}, **who)
    create_image(attributes={"name": "golden"}, **who)
    return Furnished(project, actor, network)


def add_volume(furnished: Furnished) -> Volume:
    """A blank volume."""
    wanted = NewVolume(size_gib=1)
    return create_volume(wanted=wanted, actor=furnished.actor, now=timezone.now())


def add_snapshot(furnished: Furnished, volume: Volume) -> Snapshot:
    """A snapshot of a volume, once that is there."""
    return create_snapshot(
        volume=volume, wanted=NewSnapshot(), actor=furnished.actor, now=timezone.now()
    )


def left_of(project_id: str) -> list[str]:
    """What of the project is still in the database, beside the rows that are marked deleted."""
    found: list[Any] = []
    by_text: list[Any] = [Network, Subnet, Port, Router, FloatingIP, SecurityGroup, ServerGroup]
    by_text += [Volume, Snapshot, FlavorAccess, QuotaLimit, UserQuotaLimit]
    for model in by_text:
        found += model.objects.filter(project_id=project_id)
    by_key: list[Any] = [RoleAssignment, RoleGrant, ApplicationCredential]
    for model in by_key:
        found += model.objects.filter(project=project_id)
    found += Image.objects.filter(owner=project_id).exclude(status="deleted")
    found += Project.objects.filter(pk=project_id)
    return [f"{type(row).__name__} {row}" for row in found]


def _public() -> Network:
    network, is_new = Network.objects.get_or_create(
        name="outside", defaults={"project_id": NETWORK_PEOPLE, "is_external": True}
    )
    if is_new:
        Subnet.objects.create(
            network=network,
            project_id=NETWORK_PEOPLE,
            cidr="198.51.100.0/24",
            gateway_ip="198.51.100.1",
            allocation_pools=[["198.51.100.10", "198.51.100.250"]],
        )
    return network

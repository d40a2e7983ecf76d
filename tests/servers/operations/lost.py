"""A database that was lost, and what its rows have to have in common with those that come back."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

from flavors.models import Flavor, FlavorAccess
from hypervisors.models import Hypervisor
from identity.bootstrap import ensure_domain_and_roles
from identity.models import Domain, Project, RoleAssignment, User
from images.models import Image
from networks.models import FixedIP, Network, Port, SecurityGroup, Subnet
from operations.models import Operation
from quotas.models import ProjectLedger, Reservation
from scheduling.models import Allocation, Decision
from servers.models import KeyPair, Server, ServerAction

# In the order in which rows may go.
EVERYTHING: list[type[Model]] = [
    Operation, FixedIP, Port, Subnet, Network, SecurityGroup, Allocation, Decision, Reservation,
    ProjectLedger, Server, ServerAction, KeyPair, RoleAssignment, FlavorAccess, Flavor, Image,
    User, Project, Domain,
]  # fmt: skip
# What a restored row need not have in common with the one that was lost.
PASSING = {
    "password", "tokens_valid_from", "default_project_id", "is_staff", "is_superuser", "revision",
    "sealed_admin_password", "record_digest", "recorded_at",
}  # fmt: skip
STAMPED_ANEW = {Network, Subnet, Port, SecurityGroup, Project, User, Flavor, KeyPair}


def lose_everything() -> None:
    """An empty database that has been set up, and to which the hosts were added."""
    for kind in EVERYTHING:
        kind._base_manager.all().delete()
    Hypervisor.objects.update(vcpus_used=0, ram_mib_used=0, disk_gib_used=0)
    ensure_domain_and_roles()


def rows(kind: type[Model]) -> list[dict[str, Any]]:
    passing = PASSING | ({"created_at", "updated_at"} if kind in STAMPED_ANEW else set())
    passing |= (
        {"id"} if kind in {FixedIP, RoleAssignment, Allocation, Reservation, Flavor} else set()
    )
    if kind in {Reservation, Allocation}:
        passing.add("created_at")
    found = [
        {name: value for name, value in row.items() if name not in passing}
        for row in kind._base_manager.values()
    ]
    return sorted(found, key=str)

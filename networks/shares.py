"""Networks lent to other projects: policies of access, as the network service has them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from identity import policy
from identity.actors import Actor
from networks.errors import DuplicateRbacPolicy, RbacPolicyInUse, RbacPolicyNotFound
from networks.lookup import find, get_network, require
from networks.models import Network, NetworkShare
from networks.models.sharing import EVERYBODY


@dataclass(frozen=True)
class NewShare:
    """A network and the project that is to use it too; `*` is all of them."""

    network_id: str
    target_project_id: str


def visible_shares(actor: Actor) -> QuerySet[NetworkShare]:
    """Those that the project has made; all of them for an administrator."""
    policy.require(actor, "get_rbac_policy", project_id=actor.project_id)
    rows = NetworkShare.objects.all()
    return rows if actor.is_admin else rows.filter(project_id=actor.project_id)


def create_share(*, wanted: NewShare, actor: Actor, now: datetime) -> NetworkShare:
    """Let another project see the network and have servers and ports on it.

    Raises:
        NetworkNotFound: there is none that the actor may see.
        PolicyNotAuthorized: it is not the actor's, or only administrators share with all.
        DuplicateRbacPolicy: that is so already.
    """
    network = get_network(wanted.network_id, actor=actor)
    require(actor, "create_rbac_policy", network.project_id)
    _check_target(wanted.target_project_id, network.project_id, actor)
    share = NetworkShare(
        id=uuid4(),
        network=network,
        target_project_id=wanted.target_project_id,
        project_id=network.project_id,
        created_at=now,
    )
    with transaction.atomic():
        _save(share)
    return share


def update_share(*, share: NetworkShare, target_project_id: str, actor: Actor) -> NetworkShare:
    """Lend the network to another project instead.

    Raises:
        PolicyNotAuthorized: it is not the actor's, or only administrators share with all.
        RbacPolicyInUse: the project has ports there.
        DuplicateRbacPolicy: that project may use it already.
    """
    require(actor, "update_rbac_policy", share.project_id)
    _check_target(target_project_id, share.project_id, actor)
    with transaction.atomic():
        before = share.target_project_id
        share.target_project_id = target_project_id
        _save(share)
        _check_unused(share, before)
    return share


def delete_share(*, share: NetworkShare, actor: Actor) -> None:
    """Lend the network no more.

    Raises:
        PolicyNotAuthorized: it is not the actor's.
        RbacPolicyNotFound: it is gone already.
        RbacPolicyInUse: the project has ports there.
    """
    require(actor, "delete_rbac_policy", share.project_id)
    with transaction.atomic():
        if not NetworkShare.objects.filter(pk=share.pk).delete()[0]:
            raise RbacPolicyNotFound(f"RBAC policy with ID {share.pk} not found")
        _check_unused(share, share.target_project_id)


def get_share(share_id: str, *, actor: Actor) -> NetworkShare:
    """The policy.

    Raises:
        RbacPolicyNotFound: there is none that the actor may see.
    """
    found = find(visible_shares(actor), share_id)
    if found is None:
        raise RbacPolicyNotFound(f"RBAC policy with ID {share_id} not found")
    return found


def _check_target(target: str, owner: str, actor: Actor) -> None:
    if target == EVERYBODY:
        require(actor, "create_rbac_policy:target_tenant", owner)


def _save(share: NetworkShare) -> None:
    try:
        with transaction.atomic():
            share.save()
    except IntegrityError:
        raise DuplicateRbacPolicy("An RBAC policy already exists with those values.") from None


def _check_unused(share: NetworkShare, target: str) -> None:
    """Whether nobody is left on the network who could no more be there.

    A port that comes at the same moment stays there, as if it had come before.
    """
    network = Network.objects.get(pk=share.network_id)
    if network.is_shared:
        return
    left = list(network.shares.values_list("target_project_id", flat=True))
    if EVERYBODY in left:
        return
    ports = network.ports.exclude(project_id__in=[network.project_id, *left])
    if target != EVERYBODY:
        ports = ports.filter(project_id=target)
    if ports.exists():
        raise RbacPolicyInUse(
            f"RBAC policy on object {network.pk} cannot be removed because other objects depend "
            "on it."
        )

"""Create servers: everything is checked first, then one transaction writes everything."""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from flavors.models import Flavor
from hypervisors.models import DEFAULT_ZONE
from identity import policy
from identity.actors import Actor
from images.models import Image
from networks.models import SecurityGroup
from networks.server_ports import (
    PlannedPort,
    PortOwner,
    RequestedNetwork,
    affordable,
    create_server_ports,
    plan_ports,
    resolve_security_groups,
)
from operations.enqueue import enqueue
from quotas.consume import consume_many
from scheduling.request_spec import RequestSpec
from servers import block_devices, create_checks, placement
from servers import rules as rules
from servers.action_log import record_action
from servers.groups import lock_for_members
from servers.hints import Hints, check_group, kept_hints, read_hints
from servers.host_needs import host_needs
from servers.models import Server
from servers.names import hostname_numbered, new_reservation_id, numbered
from servers.options import Options, check_restartable, read_options
from servers.secrets import new_password, seal
from servers.states import TaskState, VmState
from servers.volume_disks import (
    PlannedDisk,
    check_may_map,
    image_of,
    plan_root,
    plan_volume_disks,
    write_volume_disks,
)
from servers.wanted import CreateServers

MIB_PER_GIB = 1024


@dataclass(frozen=True)
class _Checked:
    """What the request's names stand for, once all of it has been found good."""

    wanted: CreateServers
    actor: Actor
    project_id: str
    flavor: Flavor
    image: Image
    public_key: str
    ports: list[PlannedPort]
    groups: list[SecurityGroup]
    hints: Hints
    options: Options
    spec: RequestSpec
    root: PlannedDisk | None
    most: int


def create_servers(*, wanted: CreateServers, actor: Actor, now: datetime) -> list[Server]:
    """Accept as many servers as are wanted and the quota allows; building goes on by itself.

    The password of their guests is kept in each, sealed (`servers.secrets.unseal`).

    Raises:
        InvalidServerRequest: something wanted does not exist or does not fit together.
        Forbidden: the actor may not create servers, or not in this way.
        OverQuota: fewer than the minimum fit into the project's limits.
        Conflict: a port is in use, or a network or group is named ambiguously.
    """
    policy.require(actor, "os_compute_api:servers:create", project_id=actor.project_id)
    checked = _check(wanted, actor, now)
    with transaction.atomic():
        servers = _write_servers(checked, now)
        volumes = plan_volume_disks(wanted, checked.root, actor)
        _write_ports(checked, servers, now)
        write_volume_disks(servers, volumes, actor=actor, now=now)
        record_action([server.pk for server in servers], "create", actor=actor, now=now)
        for server in servers:
            enqueue(
                "server.build",
                subject=server.pk,
                params={},
                request_id=actor.request_id,
                now=now,
            )
    return servers


def _check(wanted: CreateServers, actor: Actor, now: datetime) -> _Checked:
    """The checks in the order of the compute API, which decides what a wrong request is told."""
    project_id = create_checks.project_of(actor)
    create_checks.refuse_certificates(wanted)
    place = placement.parse_placement(wanted, actor)
    hints = read_hints(wanted.hints)
    options = read_options(wanted.options, wanted.hints)
    block_devices.check_mappings(wanted)
    check_restartable(options, wanted)
    check_may_map(wanted, actor)
    create_checks.check_image_given(wanted)
    create_checks.check_networks(wanted, actor)
    flavor = create_checks.find_flavor(wanted.flavor_id, actor)
    create_checks.check_counts(wanted)
    placement.check_zone(place)
    root = plan_root(wanted, actor)
    image = options.applied_to(_image(wanted, root, actor))
    groups = resolve_security_groups(wanted.security_groups or (), project_id, now)
    ports = _plan_ports(wanted, actor)
    public_key = create_checks.find_public_key(wanted.key_name, actor)
    most = affordable(
        ports, project_id=project_id, minimum=wanted.min_count, maximum=wanted.max_count
    )
    block_devices.check_together(wanted, flavor, image.properties.get("root_device_name") or "vda")
    create_checks.check_limits(wanted, project_id, actor.user_id)
    create_checks.check_image(image, flavor, actor, has_root=root is None)
    check_group(hints, actor)
    spec = RequestSpec(
        **host_needs(
            flavor, image.properties, disk_gib=_disk_gib(flavor, image, has_root=root is None)
        ),
        project_id=project_id,
        image_id=str(image.pk) if root is None else "",
        zone=place.zone,
        host=placement.forced_host(place),
        wanted_host=placement.requested_host(wanted),
        same_host=hints.same_host,
        different_host=hints.different_host,
        query=hints.query,
        near=hints.near,
        store=options.store_id,
    )
    return _Checked(
        wanted, actor, project_id, flavor, image, public_key, ports, groups, hints, options, spec,
        root, most,
    )  # fmt: skip


def _image(wanted: CreateServers, root: PlannedDisk | None, actor: Actor) -> Image:
    """What the servers boot from, or what their root volume keeps of its image."""
    if root is None:
        return create_checks.find_image(wanted.image_id, actor)
    if wanted.image_id is not None:
        create_checks.find_image(wanted.image_id, actor)
    return image_of(root)


def _disk_gib(flavor: Flavor, image: Image, *, has_root: bool) -> int:
    """Root, ephemeral and swap; a flavor without a root size takes the image's."""
    root = flavor.disk_gib or math.ceil(create_checks.image_bytes(image) / create_checks.GIB)
    return (
        (root if has_root else 0) + flavor.ephemeral_gib + math.ceil(flavor.swap_mib / MIB_PER_GIB)
    )


def _write_servers(checked: _Checked, now: datetime) -> list[Server]:
    """Reserve quota for as many as fit, and write their rows."""
    wanted, flavor = checked.wanted, checked.flavor
    amounts = {"instances": 1, "cores": flavor.vcpus, "ram": flavor.ram_mib}
    most = max(wanted.min_count, min(checked.most, create_checks.MAX_AT_ONCE))
    identifiers = [uuid.uuid4() for _ in range(most)]
    count = consume_many(
        project_id=checked.project_id,
        wanted=[(identifier, amounts) for identifier in identifiers],
        minimum=wanted.min_count,
        now=now,
        user_id=checked.actor.user_id,
    )
    if checked.hints.group_id is not None:
        lock_for_members(
            group_id=checked.hints.group_id,
            user_id=checked.actor.user_id,
            project_id=checked.project_id,
            count=count,
        )
    shared = _shared_fields(checked, now)
    servers = [
        Server(
            id=identifier,
            name=numbered(wanted.name, index, count),
            hostname=wanted.hostname or hostname_numbered(wanted.name, identifier, index, count),
            launch_index=index,
            **shared,
        )
        for index, identifier in enumerate(identifiers[:count])
    ]
    Server.objects.bulk_create(servers)
    return servers


def _shared_fields(checked: _Checked, now: datetime) -> dict[str, Any]:
    """What all servers of one request have in common."""
    wanted, image = checked.wanted, checked.image
    password = new_password() if wanted.admin_password is None else wanted.admin_password
    return {
        "project_id": checked.project_id,
        "user_id": checked.actor.user_id,
        "description": wanted.description,
        "vm_state": VmState.BUILDING,
        "task_state": TaskState.SCHEDULING,
        "flavor": checked.flavor.snapshot(),
        "image_id": image.pk,
        "image_properties": dict(image.properties),
        "key_name": wanted.key_name,
        "public_key": checked.public_key,
        "user_data": wanted.user_data,
        "personality": [
            {"path": file.path, "contents": file.contents} for file in wanted.personality
        ],
        "has_config_drive": (
            create_checks.needs_config_drive(wanted, image.properties)
            or checked.options.extra is not None
        ),
        "metadata": dict(wanted.metadata),
        "tags": list(wanted.tags),
        "disk_config": create_checks.disk_config(wanted, image.properties),
        "access_ip_v4": wanted.access_ip_v4,
        "access_ip_v6": wanted.access_ip_v6,
        "pinned_zone": checked.spec.zone or None,
        "request_spec": checked.spec.to_json(),
        "group_id": checked.hints.group_id,
        "options": checked.options.to_json(),
        "scheduler_hints": kept_hints(wanted.hints),
        "reservation_id": new_reservation_id(),
        "sealed_admin_password": seal(password),
        "created_at": now,
        "updated_at": now,
    }


def _plan_ports(wanted: CreateServers, actor: Actor) -> list[PlannedPort]:
    networks = wanted.networks
    if networks is None or isinstance(networks, str):
        return plan_ports(requested=networks, count=wanted.max_count, actor=actor)
    requested = [
        RequestedNetwork(
            network_id=interface.network_id or None,
            port_id=interface.port_id or None,
            fixed_ip=interface.fixed_ip or None,
            tag=interface.tag or None,
        )
        for interface in networks
    ]
    return plan_ports(requested=requested, count=wanted.max_count, actor=actor)


def _write_ports(checked: _Checked, servers: list[Server], now: datetime) -> None:
    for server in servers:
        create_server_ports(
            owner=PortOwner(
                server_id=server.pk,
                project_id=checked.project_id,
                availability_zone=checked.spec.zone or DEFAULT_ZONE,
            ),
            plan=checked.ports,
            security_groups=checked.groups,
            now=now,
        )

"""What the world of `compute_world` has not by itself: volumes, a live migration, a decision.

It stands apart, because every form of a server shows the volumes that it has.
"""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from networks.models import SecurityGroup
from scheduling.models import Allocation, Decision
from scheduling.place import hold_server
from servers.console_tokens import issue_console_token
from servers.models import Migration
from servers.states import ConsoleType, MigrationStatus, MigrationType
from tests.authorisation import OWN_PROJECT, OWNER, actor_named
from tests.compute_world import NOW, World
from tests.scheduling.two_cells import CELLS, pinned, spec_of
from volumes.models import Attachment, Snapshot, Volume, VolumeType
from volumes.states import AttachmentStatus, SnapshotStatus, VolumeStatus

_OWNED = {"project_id": OWN_PROJECT, "user_id": OWNER}


def add_more(world: World) -> World:
    """The world with all of it at its first server, and the names of it."""
    attached = _volume(world, "data", "in-use")
    free = _volume(world, "spare", "available", age_s=1)
    server, host = world.servers[0], world.hosts[0]
    Attachment.objects.create(
        volume=attached,
        server_id=server.pk,
        status=AttachmentStatus.ATTACHED,
        device="/dev/vdb",
        tag="data",
        host_name=host.name,
        created_at=NOW,
        attached_at=NOW,
    )
    snapshot = Snapshot.objects.create(
        **_OWNED,
        name="monday",
        volume=attached,
        size_gib=1,
        status=SnapshotStatus.AVAILABLE,
        created_at=NOW,
    )
    migration = Migration.objects.create(
        server_id=server.pk,
        type=MigrationType.LIVE,
        status=MigrationStatus.RUNNING,
        source=host,
        source_name=host.name,
        source_node=host.hostname,
        destination_name="host2",
        destination_node="host2.lab",
        destination_address="192.0.2.2",
        **_OWNED,
        created_at=NOW,
        updated_at=NOW,
    )
    Decision.objects.create(
        server_id=server.pk, candidates=1, chosen=host.name, summary="host1", created_at=NOW
    )
    group = SecurityGroup.objects.create(project_id=OWN_PROJECT, name="web", description="")
    world.names |= {
        "other_group_id": str(group.pk),
        "volume_id": str(attached.pk),
        "free_volume_id": str(free.pk),
        "snapshot_id": str(snapshot.pk),
        "migration_id": str(migration.pk),
    }
    return world


def add_console(world: World) -> World:
    """The world with a serial console that somebody may open."""
    world.names["token"] = issue_console_token(
        server=world.servers[0],
        kind=ConsoleType.SERIAL,
        actor=actor_named("owner"),
        now=timezone.now(),
    )
    return world


def add_nodes(world: World) -> World:
    """The world with NUMA nodes for its first server, on cells of its host."""
    host, server = world.hosts[0], world.servers[0]
    asked = pinned(4, nodes=2, ram_mib=1024, page_size="large")
    host.capabilities = {**host.capabilities, "cells": [cell.to_json() for cell in CELLS]}
    host.save()
    server.flavor = {**server.flavor, "vcpus": 4}
    server.request_spec = {**server.request_spec, "numa": asked.to_json()}
    server.hypervisor = host
    server.save()
    Allocation.objects.filter(server_id=server.pk).delete()
    hold_server(server_id=server.pk, hypervisor_id=host.pk, spec=spec_of(asked), now=timezone.now())
    return world


def _volume(world: World, name: str, status: str, age_s: int = 0) -> Volume:
    return Volume.objects.create(
        **_OWNED,
        name=name,
        size_gib=1,
        status=VolumeStatus(status),
        type=VolumeType.objects.get_or_create(name="fast")[0],
        availability_zone="nova",
        hypervisor=world.hosts[0],
        pool="cloudportal",
        created_at=NOW - timedelta(seconds=age_s),
    )

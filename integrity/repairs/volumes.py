"""Repairs of servers' volumes."""

from __future__ import annotations

from hypervisors import disks
from hypervisors.connections import connected
from hypervisors.models import Hypervisor
from hypervisors.pools import shared_pools
from hypervisors.survey import VERIFIED_SUFFIX
from hypervisors.volumes import named_volume
from integrity.errors import CopyNeeded
from integrity.facts import disks_of, places_on
from integrity.repairs.work import Work
from servers.config_drive import config_drive
from servers.guest_spec import disk_plan, guest_facts
from servers.models import Server
from volumes.models import Snapshot, Volume

_REMADE = ("ephemeral", "swap", "config")


def delete(work: Work) -> None:
    """Delete a volume that nobody has; a guest on this host that has it keeps it.

    Raises:
        CopyNeeded: a domain there has it.
    """
    pool, name = work.args["pool"], work.args["volume"]
    here = Server.objects.alive().filter(hypervisor=work.host)
    server = here.filter(pk=work.server_id).first() if work.server_id else None
    own = () if server is None else disks_of(server, places_on(work.host, pool))
    if name.removesuffix(VERIFIED_SUFFIX) in {disk.volume for disk in own}:
        raise CopyNeeded("The server has this disk.")
    key = work.server_id
    lives = key is not None and Server.objects.alive().filter(pk=key).exists()
    if server is None and lives and shared_pools(work.host).filter(name=pool).exists():
        raise CopyNeeded("The server has this disk at another host, which has the same files.")
    kept = named_volume(name)
    if kept is not None and any(
        rows.filter(pk=kept, hypervisor=work.host).exists()
        for rows in (Volume.objects.all(), Snapshot.objects.all())
    ):
        raise CopyNeeded("It is a volume.")
    with connected(work.host) as host:
        host.delete_volume(pool, name)


def remake(work: Work) -> None:
    """Make a disk again that can be."""
    _make(work.host, work.server(), work.args["pool"], {work.args["volume"]})


def remake_missing(host: Hypervisor, server: Server, pool: str) -> None:
    """Make those of a server's disks again that are gone and can be; the root disk cannot."""
    places = places_on(host, pool)
    there = {
        name
        for each in {places.disks, places.files}
        for name in disks.volumes_of(host, each, server.pk)
    }
    wanted = {disk.volume for disk in disks_of(server, places) if disk.role in _REMADE}
    _make(host, server, pool, wanted - there)


def _make(host: Hypervisor, server: Server, pool: str, names: set[str]) -> None:
    if not names:
        return
    drive = config_drive(guest_facts(server)) if server.has_config_drive else None
    plan = disk_plan(server, base_volume=None, config_drive=drive)
    for disk in disks.disk_specs(places_on(host, pool), server.pk, plan):
        if disk.volume in names and disk.role in _REMADE:
            disks.create_disk(host, disk, server.pk, plan)

"""A project that is removed with all that it owns, as a case of the matrix."""

from __future__ import annotations

from django.utils import timezone

from flavors.models import Flavor
from identity.models import Group, User
from images.models import Image
from maintenance.remove_project import remove_project
from networks.models import Network
from operations.models import Operation
from quotas.models import ProjectLedger
from servers.create import create_servers
from servers.models import Server
from servers.wanted import CreateServers, WantedInterface
from tests.authorisation import actor_named
from tests.maintenance.possessions import add_snapshot, add_volume, furnish, left_of
from tests.matrix.world import World


def begin(world: World) -> Operation:
    """One with something of every kind, a server that runs and a volume with a snapshot too."""
    world.has_other_workers = True
    doomed = furnish()
    interface = WantedInterface(network_id=str(doomed.network.pk))
    wanted = CreateServers(
        name="web", flavor_id="1", image_id=world.image.pk, networks=(interface,)
    )
    create_servers(wanted=wanted, actor=doomed.actor, now=timezone.now())
    volume = add_volume(doomed)
    world.settle()
    add_snapshot(doomed, volume)
    world.settle()
    return remove_project(
        project_id=doomed.project.id, actor=actor_named("foreign admin"), now=timezone.now()
    )


def nothing_is_left(world: World, operation: Operation) -> None:
    """Neither in the database nor on a host; what is not the project's stays."""
    world.settle()
    operation.refresh_from_db()
    assert operation.state == "done", operation.error
    project_id = operation.params["project"]
    assert left_of(project_id) == []
    assert not Server.objects.alive().filter(project_id=project_id).exists()
    assert Image.objects.filter(pk=world.image.pk).exclude(status="deleted").exists()
    assert Network.objects.filter(name="outside").exists()
    assert ProjectLedger.objects.get(project_id=project_id).closed_at is not None
    # For the next time; they are of no project.
    User.objects.filter(name="dora").delete()
    Group.objects.all().delete()
    Flavor.objects.filter(flavorid="special").delete()

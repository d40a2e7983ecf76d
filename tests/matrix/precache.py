"""Images that are brought to hosts ahead of need, as a case of the matrix."""

from __future__ import annotations

from django.utils import timezone

from hypervisors.models import Aggregate, CachedImage, Hypervisor
from images.precache import precache_images
from operations.models import Operation, OperationState
from tests.authorisation import actor_named
from tests.matrix.world import World


def begin(world: World) -> Operation:
    aggregate, _ = Aggregate.objects.get_or_create(name="fast")
    aggregate.hypervisors.set([Hypervisor.objects.get(name="host1")])
    [operation] = precache_images(
        aggregate=aggregate,
        image_ids=[world.image.pk],
        actor=actor_named("admin"),
        now=timezone.now(),
    )
    return operation


def image_is_there(world: World, operation: Operation) -> None:
    assert operation.state == OperationState.DONE, operation.error
    cached = CachedImage.objects.get()
    assert (cached.is_ready, cached.pool.hypervisor.name) == (True, "host1")
    with world.hosts.opened():
        [pool] = world.hosts["host1"].pools.values()
        assert cached.volume in pool.volumes


def no_half_image(world: World, operation: Operation) -> None:
    assert operation.state == OperationState.FAILED
    assert not CachedImage.objects.filter(is_ready=False).exists()

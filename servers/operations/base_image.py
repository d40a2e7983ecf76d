"""The image that a disk lies over, in the pool of the host that is to have the server."""

from __future__ import annotations

from uuid import UUID

from hypervisors import disks
from hypervisors.models import Hypervisor
from hypervisors.pools import block_pools, pool_for
from images.bring import bring_to_host
from images.models import Image
from operations.kinds import DEFAULT_QUEUE, TRANSFER_QUEUE, Context
from scheduling.errors import NoValidHost
from servers.models import Server
from servers.options import has_bound_disks, places_for


def bring(context: Context, server: Server, host: Hypervisor, image: Image) -> str:
    """Have the image where the server's disks lie over it or are made of it; the volume's name.

    Raises:
        Wait: another operation is bringing it.
        CloudError: the host refused it or is away, or there is no file to bring.
    """
    return bring_to_host(
        image=image,
        hypervisor=host,
        operation_id=context.operation_id,
        pool_name=places_for(server, host).files,
    )


def bring_own(context: Context, server: Server, host: Hypervisor) -> str | None:
    """Have the image that the server is made from there; None where its root disk is a volume.

    Raises:
        NoValidHost: the image was deleted.
        Wait, CloudError: as `bring`.
    """
    if server.image_id is None:
        return None
    image = Image.objects.filter(pk=server.image_id).first()
    if image is None:
        raise NoValidHost(f"Image {server.image_id} was deleted before it was needed.")
    return bring(context, server, host, image)


def queue_to_bring(server: Server, host: Hypervisor | None, image_id: UUID | None) -> str:
    """An upload may take minutes: it must not hold up reboots and deletes."""
    if host is None or image_id is None:
        return DEFAULT_QUEUE
    if disks.is_cached(pool_for(host, places_for(server, host).files), image_id):
        return DEFAULT_QUEUE
    return TRANSFER_QUEUE


def queue_of_disks(server: Server, host: Hypervisor | None) -> str:
    """Block devices are written whole, to be filled and before they are deleted: a transfer."""
    if host is None or not server.options.get("store_id"):
        return DEFAULT_QUEUE
    return TRANSFER_QUEUE if has_bound_disks(server, block_pools(host)) else DEFAULT_QUEUE

"""What a new portal offers at first: flavors, a shared network, an image. Safe to repeat."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

from flavors.create import NewFlavor, create_flavor
from flavors.models import Flavor
from identity.actors import system_actor
from images.delete import delete_image
from images.models import Image, ImageStatus
from images.register import register_image
from networks.create import NewNetwork, NewSubnet, create_network, create_subnet
from networks.models import Network

# The field's usual ids and names. Tiny is as small as the guest image boots in.
FLAVORS = (
    NewFlavor(flavorid="1", name="m1.tiny", vcpus=1, ram_mib=256, disk_gib=1),
    NewFlavor(flavorid="2", name="m1.small", vcpus=1, ram_mib=512, disk_gib=5),
    NewFlavor(flavorid="3", name="m1.medium", vcpus=2, ram_mib=2048, disk_gib=20),
    NewFlavor(flavorid="4", name="m1.large", vcpus=4, ram_mib=4096, disk_gib=40),
    NewFlavor(flavorid="5", name="m1.xlarge", vcpus=8, ram_mib=8192, disk_gib=80),
)


def ensure_flavors(*, now: datetime) -> int:
    """Make the usual flavors if there is no flavor at all; returns how many were made.

    Once there are some, they are the administrators': one that they deleted stays deleted.
    """
    if Flavor.objects.exists():
        return 0
    for wanted in FLAVORS:
        create_flavor(wanted=wanted, actor=system_actor(), now=now)
    return len(FLAVORS)


def ensure_shared_network(*, name: str, cidr: str, project_id: str, now: datetime) -> bool:
    """Make the network that everybody may use if there is no network; returns whether it was."""
    network = Network.objects.filter(name=name, project_id=project_id).first()
    if network is None:
        if Network.objects.exists():
            return False
        wanted = NewNetwork(name=name, project_id=project_id, is_shared=True)
        network = create_network(wanted=wanted, actor=system_actor(), now=now)
    # An earlier run may have ended between the two.
    if network.subnets.exists():
        return False
    subnet = NewSubnet(network_id=str(network.pk), cidr=cidr, name=name)
    create_subnet(wanted=subnet, actor=system_actor(), now=now)
    return True


def ensure_image(*, name: str, path: Path, project_id: str, now: datetime) -> bool:
    """Offer this file to everybody as the image of that name; returns whether that was new.

    A file with other contents takes the place of the image made of an earlier one.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    earlier = Image.objects.filter(name=name, owner=project_id, status=ImageStatus.ACTIVE)
    if earlier.filter(sha256=digest).exists():
        return False
    replaced = list(earlier)
    register_image(
        name=name,
        path=path,
        attributes={"visibility": "public", "owner": project_id, "min_ram": 128},
        actor=system_actor(),
        now=now,
    )
    for image in replaced:
        delete_image(image=image, actor=system_actor(), now=now)
    return True

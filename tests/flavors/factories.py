"""Flavors for tests."""

from itertools import count

from flavors.models import Flavor, FlavorAccess

_numbers = count(1)


def make_flavor(**fields) -> Flavor:
    """A public flavor of 1 vCPU, 64 MiB and 1 GiB, unless fields say otherwise."""
    number = next(_numbers)
    shared_with = fields.pop("shared_with", [])
    values = {
        "flavorid": f"f{number:04}",
        "name": f"size {number}",
        "vcpus": 1,
        "ram_mib": 64,
        "disk_gib": 1,
        **fields,
    }
    flavor = Flavor.objects.create(**values)
    for project_id in shared_with:
        FlavorAccess.objects.create(flavor=flavor, project_id=project_id)
    return flavor

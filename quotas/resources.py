"""Which resources have a limit, and the limit that holds where nobody set another."""

from __future__ import annotations

UNLIMITED = -1
MAX_LIMIT = 2**31 - 1

# Counted through reservations, a sum for each project.
COUNTED = {
    "instances": 10,
    "cores": 20,
    "ram": 51200,
    "server_groups": 10,
    "ports": 500,
    "networks": 100,
    "subnets": 100,
    "security_groups": 10,
    "security_group_rules": 100,
    "routers": 10,
    "floating_ips": 50,
    "images": 1000,
    # MiB that the data of images takes.
    "image_size_total": UNLIMITED,
    "volumes": 10,
    "snapshots": 10,
    "gigabytes": 1000,
}
# Bounds of one request, one server, one group or one user; no sum is kept.
BOUNDS = {
    "metadata_items": 128,
    "key_pairs": 100,
    "server_group_members": 10,
    "injected_files": 5,
    "injected_file_content_bytes": 10240,
    "injected_file_path_bytes": 255,
    "per_volume_gigabytes": UNLIMITED,
}
# What can be limited by the type of the volumes too, as volumes_<id of the type>; the volume
# service sums up what is used of these.
BY_TYPE = ("volumes", "snapshots", "gigabytes")
_ID_LENGTH = 36
DEFAULTS = {**COUNTED, **BOUNDS}
# What can be limited for single users too: the compute API's own.
BY_USER = ("instances", "cores", "ram", "server_groups", *BOUNDS)


def check_known(resource: str) -> None:
    """Refuse a name that no limit exists for.

    Raises:
        LookupError: the name is a programming error of the caller.
    """
    base, _, type_id = resource.partition("_")
    is_by_type = base in BY_TYPE and len(type_id) == _ID_LENGTH
    if resource not in DEFAULTS and not is_by_type:
        raise LookupError(f"There is no quota resource {resource!r}.")

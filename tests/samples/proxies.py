"""Samples of what the compute API told of other services until 2.35."""

from __future__ import annotations

from typing import Any

from tests.samples.sample import Sample


def _of(resource: str, name: str, call: str, body: Any = None, **more: Any) -> Sample:
    return Sample(resource, name, call, "2.1", body, **{"who": "member", **more})


_GROUP: dict[str, Any] = {"security_group": {"name": "new", "description": "For web servers."}}
PROXIES = [
    _of("images", "show", "GET images/{image_id}"),
    _of("images", "metadata", "GET images/{image_id}/metadata"),
    _of("images", "metadata-item", "GET images/{image_id}/metadata/{key}"),
    _of("images", "add-metadata", "POST images/{image_id}/metadata", {"metadata": {"a": "b"}}),
    _of("images", "replace-metadata", "PUT images/{image_id}/metadata", {"metadata": {"a": "b"}}),
    _of(
        *("images", "set-metadata-item", "PUT images/{image_id}/metadata/{key}"),
        {"meta": {"color": "blue"}},
    ),
    _of("networks", "show", "GET os-networks/{network_id}"),
    _of("networks", "tenant-networks", "GET os-tenant-networks"),
    _of("networks", "tenant-network", "GET os-tenant-networks/{network_id}"),
    _of("networks", "floating-ip-pools", "GET os-floating-ip-pools"),
    _of("networks", "floating-ips", "GET os-floating-ips"),
    _of("networks", "floating-ip", "GET os-floating-ips/{floating_ip_id}", status=404),
    _of("networks", "allocate", "POST os-floating-ips", {"pool": "nowhere"}, status=404),
    _of("security-groups", "show", "GET os-security-groups/{group_id}"),
    _of("security-groups", "create", "POST os-security-groups", _GROUP),
    _of(
        *("security-groups", "update", "PUT os-security-groups/{group_id}", _GROUP),
        world="more",
        names={"group_id": "other_group_id"},
    ),
    _of(
        *("security-groups", "create-rule", "POST os-security-group-rules"),
        {
            "security_group_rule": {
                "parent_group_id": "$security_group_id",
                "ip_protocol": "tcp",
                "from_port": 22,
                "to_port": 22,
                "cidr": "10.0.0.0/8",
            }
        },
    ),
    _of("volumes", "list", "GET os-volumes", world="more"),
    _of("volumes", "detail", "GET os-volumes/detail", world="more"),
    _of("volumes", "show", "GET os-volumes/{key}", world="more"),
    _of(
        *("volumes", "create", "POST os-volumes"),
        {"volume": {"size": 1, "display_name": "new"}},
        world="more",
    ),
    _of("volumes", "snapshots", "GET os-snapshots", world="more"),
    _of("volumes", "snapshots-detail", "GET os-snapshots/detail", world="more"),
    _of("volumes", "snapshot", "GET os-snapshots/{key}", world="more"),
    _of(
        *("volumes", "create-snapshot", "POST os-snapshots"),
        {"snapshot": {"volume_id": "$free_volume_id", "display_name": "new"}},
        world="more",
    ),
    _of("hosts", "nodes", "GET os-baremetal-nodes", who="admin"),
    _of("hosts", "node", "GET os-baremetal-nodes/{key}", who="admin", status=404),
    _of("hosts", "create-node", "POST os-baremetal-nodes", {}, who="admin", status=400),
]

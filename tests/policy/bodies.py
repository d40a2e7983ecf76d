"""What the calls of the matrix send; `$names` are the world's."""

from __future__ import annotations

import json
from string import Template
from typing import Any

from tests.compute_world import NOTHING, World

NEW_SERVER = {
    "name": "new",
    "flavorRef": "1",
    "imageRef": "$image_id",
    "networks": [{"uuid": "$network_id"}],
}
BODIES: dict[str, Any] = {
    "POST flavors": {"flavor": {"name": "new", "ram": 64, "vcpus": 1, "disk": 1}},
    "PUT flavors/{flavor_id}": {"flavor": {"description": "new"}},
    "POST flavors/{flavor_id}/action": {"addTenantAccess": {"tenant": "0" * 32}},
    "POST flavors/{flavor_id}/os-extra_specs": {"extra_specs": {"size": "small"}},
    "PUT flavors/{flavor_id}/os-extra_specs/{key}": {"color": "blue"},
    "POST os-hypervisors/{hypervisor_id}/cloudportal:drain": {"start": None},
    "POST os-hypervisors/{hypervisor_id}/cloudportal:domains/{domain_id}/adopt": {
        "adopt": {"project_id": "$tenant_id"}
    },
    "POST os-aggregates": {"aggregate": {"name": "new"}},
    "PUT os-aggregates/{aggregate_id}": {"aggregate": {"name": "new"}},
    "POST os-aggregates/{aggregate_id}/action": {"set_metadata": {"metadata": {"a": "b"}}},
    "POST os-aggregates/{aggregate_id}/images": {"cache": [{"id": "$image_id"}]},
    "POST os-keypairs": {
        "keypair": {
            "name": "new",
            "public_key": "ssh-ed25519 "
            "AAAAC3NzaC1lZDI1NTE5AAAAIJr0pTm8dXTzYJ0Wm9hQ1uAT2q0VbY1Yv3gmWmDkbmXh owner@home",
        }
    },
    "POST os-server-groups": {"server_group": {"name": "new", "policy": "affinity"}},
    "PUT os-services/{name}": {"status": "disabled"},
    "PUT os-hosts/{name}": {"status": "enable"},
    "PUT os-quota-class-sets/{class_name}": {"quota_class_set": {"cores": 20}},
    "PUT os-quota-sets/{target_id}": {"quota_set": {"cores": 20}},
    "POST images/{image_id}/metadata": {"metadata": {"a": "b"}},
    "PUT images/{image_id}/metadata": {"metadata": {"a": "b"}},
    "PUT images/{image_id}/metadata/{key}": {"meta": {"color": "blue"}},
    "POST os-assisted-volume-snapshots": {
        "snapshot": {
            "volume_id": NOTHING,
            "create_info": {"snapshot_id": NOTHING, "type": "qcow2", "new_file": "new"},
        }
    },
    "POST os-floating-ips": {"pool": "public"},
    "POST os-security-groups": {"security_group": {"name": "new", "description": "new"}},
    "PUT os-security-groups/{group_id}": {"security_group": {"name": "new", "description": "new"}},
    "POST os-security-group-rules": {
        "security_group_rule": {
            "parent_group_id": "$security_group_id",
            "ip_protocol": "tcp",
            "from_port": 22,
            "to_port": 22,
            "cidr": "10.0.0.0/8",
        }
    },
    "POST os-server-external-events": {
        "events": [{"name": "network-changed", "server_uuid": "$server_id"}]
    },
    "POST servers/{server_id}/migrations/{migration_id}/action": {"force_complete": None},
    "POST servers/{server_id}/remote-consoles": {
        "remote_console": {"protocol": "vnc", "type": "novnc"}
    },
    "POST servers/{server_id}/os-volume_attachments": {
        "volumeAttachment": {"volumeId": "$free_volume_id"}
    },
    "PUT servers/{server_id}/os-volume_attachments/{volume_id}": {
        "volumeAttachment": {"volumeId": "$volume_id"}
    },
    "POST os-volumes": {"volume": {"size": 1}},
    "POST os-snapshots": {"snapshot": {"volume_id": "$free_volume_id"}},
    "POST servers/{server_id}/os-interface": {"interfaceAttachment": {"net_id": "$network_id"}},
    "POST servers/{server_id}/shares": {"share": {"share_id": NOTHING}},
    "POST servers": {"server": NEW_SERVER},
    "PUT servers/{server_id}": {"server": {"name": "new"}},
    "POST servers/{server_id}/metadata": {"metadata": {"a": "b"}},
    "PUT servers/{server_id}/metadata": {"metadata": {"a": "b"}},
    "PUT servers/{server_id}/metadata/{key}": {"meta": {"color": "blue"}},
    "PUT servers/{server_id}/tags": {"tags": ["green"]},
}
# By action the value of its one key, where null is not enough, at the microversion of the row.
ACTIONS: dict[str, Any] = {
    "reboot": {"type": "HARD"},
    "rebuild": {"imageRef": "$image_id"},
    "resize": {"flavorRef": "private"},
    "rescue": None,
    "createImage": {"name": "new"},
    "createBackup": {"name": "new", "backup_type": "daily", "rotation": 1},
    "changePassword": {"adminPass": "secret"},
    "addSecurityGroup": {"name": "default"},
    "removeSecurityGroup": {"name": "default"},
    "os-getConsoleOutput": {},
    "os-resetState": {"state": "active"},
    "os-migrateLive": {"host": None, "block_migration": "auto"},
    "evacuate": {},
    "addFixedIp": {"networkId": "$network_id"},
    "removeFixedIp": {"address": "10.20.0.10"},
    "addFloatingIp": {"address": "10.9.9.9"},
    "removeFloatingIp": {"address": "10.9.9.9"},
    "os-getVNCConsole": {"type": "novnc"},
    "os-getSPICEConsole": {"type": "spice-html5"},
    "os-getSerialConsole": {"type": "serial"},
    "os-getRDPConsole": {"type": "rdp-html5"},
}
# In which state a server has to be for an action; active unless it says otherwise.
STATES: dict[str, str] = {
    "os-start": "stopped",
    "unpause": "paused",
    "resume": "suspended",
    "unrescue": "rescued",
    "confirmResize": "resized",
    "revertResize": "resized",
    "unshelve": "shelved",
    "shelveOffload": "shelved",
    "restore": "soft-delete",
}


def body_of(call: str, action: str, world: World) -> str | None:
    """The body of a row of the matrix as JSON text; None when it sends nothing."""
    body = {action: ACTIONS.get(action)} if action else BODIES.get(call)
    if body is None:
        return None
    return Template(json.dumps(body)).substitute(world.names)

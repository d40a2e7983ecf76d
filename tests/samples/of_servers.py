"""Samples of servers' bodies as they grew, and of what belongs to one server."""

from __future__ import annotations

from typing import Any

from tests.samples.sample import Sample

_ONE = "servers/{server_id}"
_VOLUMES = f"{_ONE}/os-volume_attachments"
_VOLUME = f"{_VOLUMES}/{{volume_id}}"
_MIGRATION = f"{_ONE}/migrations/{{migration_id}}"
_TOKEN = "GET os-console-auth-tokens/{token}"
_NOTHING = "00000000-0000-4000-8000-00000000dead"
_IMAGE = {"source_type": "image", "destination_type": "local", "uuid": "$image_id", "boot_index": 0}
_DATA = {"source_type": "blank", "destination_type": "volume", "volume_size": 1}


def _create(microversion: str, more: dict[str, Any], who: str = "member") -> Sample:
    body = {
        "name": "new",
        "imageRef": "$image_id",
        "flavorRef": "1",
        "networks": [{"uuid": "$network_id"}],
        **more,
    }
    return Sample(
        "servers", "create", "POST servers", microversion, {"server": body}, who, world="more"
    )


def _tagged(**data: str) -> dict[str, Any]:
    return {
        "networks": [{"uuid": "$network_id", "tag": "front"}],
        "block_device_mapping_v2": [_IMAGE, {**_DATA, **data}],
    }


def _of_volume(name: str, call: str, microversions: str, fields: Any = None) -> Sample:
    body = None if fields is None else {"volumeAttachment": fields}
    return Sample("volume-attachments", name, call, microversions, body, who="member", world="more")


OF_SERVERS = [
    _create("2.32", _tagged(tag="data")),
    _create("2.33", _tagged()),
    _create("2.42", _tagged(tag="data")),
    _create("2.57", {"user_data": "IyEvYmluL3NoCg=="}),
    _create("2.63", {"trusted_image_certificates": None}),
    _create("2.67", _tagged(tag="data", volume_type="fast")),
    _create("2.74", {"host": "host1"}, who="admin"),
    _create("2.94", {"hostname": "web.example.org"}),
    Sample(
        "servers",
        "create-from-volume",
        "POST servers",
        "2.1",
        {
            "server": {
                "name": "new",
                "flavorRef": "1",
                "block_device_mapping_v2": [
                    {**_IMAGE, "destination_type": "volume", "volume_size": 1}
                ],
            }
        },
        who="member",
        world="more",
    ),
    Sample(
        *("servers", "change-description", f"PUT {_ONE}", "2.19"),
        {"server": {"description": "A web server."}},
    ),
    Sample(*("servers", "change-hostname", f"PUT {_ONE}", "2.90"), {"server": {"hostname": "web"}}),
    Sample(
        *("servers", "change-hostname", f"PUT {_ONE}", "2.94"),
        {"server": {"hostname": "web.example.org"}},
    ),
    Sample(
        *("servers", "pin", f"PUT {_ONE}", "2.104"),
        {"server": {"pinned_availability_zone": "nova"}},
    ),
    Sample("servers", "options", f"GET {_ONE}/cloudportal:options", "2.1"),
    Sample("servers", "explanation", f"GET {_ONE}/cloudportal:explanation", "2.1", world="more"),
    Sample(
        *("metadata", "add", f"POST {_ONE}/metadata", "2.1"), {"metadata": {"a": "b"}}, "member"
    ),
    Sample(
        *("metadata", "set-one", f"PUT {_ONE}/metadata/{{key}}", "2.1"),
        {"meta": {"color": "blue"}},
        "member",
    ),
    _of_volume("list", f"GET {_VOLUMES}", "2.1 2.70 2.79 2.89"),
    _of_volume("show", f"GET {_VOLUME}", "2.1 2.70 2.79 2.89"),
    _of_volume("attach", f"POST {_VOLUMES}", "2.1", {"volumeId": "$free_volume_id"}),
    _of_volume(
        *("attach", f"POST {_VOLUMES}", "2.49 2.70"),
        {"volumeId": "$free_volume_id", "device": "/dev/vdc", "tag": "backup"},
    ),
    _of_volume(
        *("attach", f"POST {_VOLUMES}", "2.79 2.101"),
        {"volumeId": "$free_volume_id", "delete_on_termination": True},
    ),
    _of_volume(
        "update",
        f"PUT {_VOLUME}",
        "2.85",
        {"volumeId": "$volume_id", "delete_on_termination": True},
    ),
    Sample(
        *("volume-attachments", "swap", f"PUT {_VOLUME}", "2.1"),
        {"volumeAttachment": {"volumeId": "$free_volume_id"}},
        status=400,
        world="more",
    ),
    Sample("interfaces", "list", f"GET {_ONE}/os-interface", "2.1 2.70", who="member"),
    Sample("interfaces", "show", f"GET {_ONE}/os-interface/{{port_id}}", "2.1 2.70", who="member"),
    Sample(
        *("interfaces", "attach", f"POST {_ONE}/os-interface", "2.1"),
        {"interfaceAttachment": {"net_id": "$network_id"}},
        "member",
    ),
    Sample(
        *("interfaces", "attach", f"POST {_ONE}/os-interface", "2.49 2.70"),
        {"interfaceAttachment": {"net_id": "$network_id", "tag": "back"}},
        "member",
    ),
    Sample(
        "migrations", "list-of-server", f"GET {_ONE}/migrations", "2.23 2.59 2.80", world="more"
    ),
    Sample("migrations", "show-of-server", f"GET {_MIGRATION}", "2.23 2.59 2.80", world="more"),
    Sample(
        *("migrations", "force-complete", f"POST {_MIGRATION}/action", "2.22"),
        {"force_complete": None},
        world="more",
        is_request_alone=True,
    ),
    Sample("server-facts", "diagnostics", f"GET {_ONE}/diagnostics", "2.1 2.48", world="guest"),
    Sample(
        *("server-facts", "remote-console", f"POST {_ONE}/remote-consoles", "2.8"),
        {"remote_console": {"protocol": "mks", "type": "webmks"}},
        status=400,
    ),
    Sample(
        *("server-facts", "remote-console", f"POST {_ONE}/remote-consoles", "2.99"),
        {"remote_console": {"protocol": "spice", "type": "spice-direct"}},
        status=400,
    ),
    Sample("server-facts", "console-token", _TOKEN, "2.1", status=400, world="console"),
    Sample("server-facts", "console-token", _TOKEN, "2.31 2.99", world="console"),
    Sample(
        *("server-facts", "attach-share", f"POST {_ONE}/shares", "2.97"),
        {"share": {"share_id": _NOTHING, "tag": "home"}},
        status=403,
    ),
    Sample("server-facts", "share", f"GET {_ONE}/shares/{{share_id}}", "2.97", status=404),
]

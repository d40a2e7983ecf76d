"""Samples of pages that others follow, and of refusals."""

from __future__ import annotations

from tests.samples.sample import Sample

_NOTHING = "00000000-0000-4000-8000-00000000dead"
PAGES = [
    Sample("pages", "servers", "GET servers?limit=1", "2.1", who="member"),
    Sample("pages", "servers-detail", "GET servers/detail?limit=1&name=server", "2.1"),
    Sample("pages", "flavors", "GET flavors?limit=1&sort_key=name&sort_dir=asc", "2.1 2.55"),
    Sample("pages", "key-pairs", "GET os-keypairs?limit=1", "2.35", who="owner"),
    Sample("pages", "hypervisors", "GET os-hypervisors?limit=1", "2.33 2.53"),
    Sample("pages", "images", "GET images?limit=1", "2.1", who="member"),
    Sample(
        "pages", "instance-actions", "GET servers/{server_id}/os-instance-actions?limit=1", "2.58"
    ),
    Sample(
        "pages",
        "usage",
        "GET os-simple-tenant-usage?limit=1&detailed=1"
        "&start=2026-05-04T00:00:00&end=2026-05-05T00:00:00",
        "2.40",
    ),
]
FAULTS = [
    Sample("faults", "not-in-the-schema", "POST servers", "2.1", {"server": {}}, status=400),
    Sample("faults", "bad-query", "GET servers?limit=few", "2.1", status=400),
    Sample("faults", "unknown-parameter", "GET servers?color=red", "2.75", status=400),
    Sample("faults", "no-token", "GET servers", "2.1", who="nobody", status=401),
    Sample("faults", "not-allowed", "GET os-hypervisors", "2.1", who="member", status=403),
    Sample(
        "faults",
        "over-quota",
        "POST servers",
        "2.1",
        {
            "server": {
                "name": "many",
                "imageRef": "$image_id",
                "flavorRef": "1",
                "networks": [{"uuid": "$network_id"}],
                "min_count": 99,
            }
        },
        who="member",
        status=403,
    ),
    Sample("faults", "not-found", f"GET servers/{_NOTHING}", "2.1", who="member", status=404),
    Sample("faults", "not-yet", "GET servers/{server_id}/tags", "2.25", status=404),
    Sample(
        "faults",
        "wrong-state",
        "POST servers/{server_id}/action",
        "2.1",
        {"os-start": None},
        status=409,
    ),
    Sample("faults", "gone", "GET os-fping", "2.1", status=410),
    Sample("faults", "not-offered", "GET os-hosts/{host}/reboot", "2.1", status=501),
]

"""Which samples there are: a line a call, with the microversions at which its form changed."""

from __future__ import annotations

from typing import Any

from tests.compute_world import PUBLIC_KEY
from tests.samples.actions import ACTIONS
from tests.samples.administration import ADMINISTRATION
from tests.samples.more import FAULTS, PAGES
from tests.samples.of_servers import OF_SERVERS
from tests.samples.proxies import PROXIES
from tests.samples.sample import Sample

_SERVER = "2.1 2.3 2.9 2.16 2.19 2.26 2.47 2.63 2.71 2.73 2.75 2.90 2.96 2.98 2.100 2.104"
_DAY = "start=2026-05-04T00:00:00&end=2026-05-05T00:00:00"
_NEW: dict[str, Any] = {
    "name": "new",
    "imageRef": "$image_id",
    "flavorRef": "1",
    "networks": [{"uuid": "$network_id"}],
    "metadata": {"color": "red"},
}
SAMPLES = [
    *ACTIONS,
    *OF_SERVERS,
    *ADMINISTRATION,
    *PROXIES,
    *PAGES,
    *FAULTS,
    Sample("servers", "list", "GET servers", "2.1"),
    Sample("servers", "detail", "GET servers/detail", _SERVER),
    Sample("servers", "show", "GET servers/{server_id}", _SERVER),
    Sample("servers", "show-for-member", "GET servers/{server_id}", "2.1 2.90", who="member"),
    Sample("servers", "update", "PUT servers/{server_id}", _SERVER, {"server": {"name": "new"}}),
    Sample("servers", "create", "POST servers", "2.1 2.37", {"server": _NEW}, who="member"),
    Sample(
        "servers",
        "create",
        "POST servers",
        "2.19",
        {"server": {**_NEW, "description": "A web server."}},
        who="member",
    ),
    Sample(
        "servers",
        "create",
        "POST servers",
        "2.52",
        {"server": {**_NEW, "tags": ["blue"], "networks": "auto"}},
        who="member",
    ),
    Sample(
        "servers",
        "create",
        "POST servers",
        "2.90",
        {"server": {**_NEW, "hostname": "web", "networks": "auto"}},
        who="member",
    ),
    Sample(
        "servers",
        "create-many",
        "POST servers",
        "2.1",
        {"server": {**_NEW, "min_count": 2, "return_reservation_id": True}},
        who="member",
    ),
    Sample("metadata", "show", "GET servers/{server_id}/metadata", "2.1", who="member"),
    Sample(
        "metadata",
        "replace",
        "PUT servers/{server_id}/metadata",
        "2.1",
        {"metadata": {"a": "b"}},
        "member",
    ),
    Sample("metadata", "show-one", "GET servers/{server_id}/metadata/{key}", "2.1", who="member"),
    Sample("tags", "list", "GET servers/{server_id}/tags", "2.26", who="member"),
    Sample("tags", "replace", "PUT servers/{server_id}/tags", "2.26", {"tags": ["new"]}, "member"),
    Sample("addresses", "list", "GET servers/{server_id}/ips", "2.1", who="member"),
    Sample("addresses", "show", "GET servers/{server_id}/ips/{label}", "2.1", who="member"),
    Sample(
        "instance-actions",
        "list",
        "GET servers/{server_id}/os-instance-actions",
        "2.1 2.58",
        who="member",
    ),
    Sample(
        "instance-actions",
        "show",
        "GET servers/{server_id}/os-instance-actions/{request_id}",
        "2.1 2.51 2.58 2.62 2.84",
    ),
    Sample(
        "instance-actions",
        "timeline",
        "GET servers/{server_id}/os-instance-actions/{request_id}/cloudportal:timeline",
        "2.1",
    ),
    Sample("flavors", "list", "GET flavors", "2.1 2.55"),
    Sample("flavors", "detail", "GET flavors/detail", "2.1 2.55 2.61 2.75 2.102"),
    Sample("flavors", "show", "GET flavors/{flavor_id}", "2.1 2.55 2.61 2.75 2.102"),
    Sample(
        "flavors",
        "create",
        "POST flavors",
        "2.1",
        {"flavor": {"name": "new", "ram": 64, "vcpus": 1, "disk": 1, "id": "10"}},
    ),
    Sample(
        "flavors",
        "create",
        "POST flavors",
        "2.55 2.61 2.75 2.102",
        {
            "flavor": {
                "name": "new",
                "ram": 64,
                "vcpus": 1,
                "disk": 1,
                "id": "10",
                "description": "A small one.",
            }
        },
    ),
    Sample(
        "flavors",
        "update",
        "PUT flavors/{flavor_id}",
        "2.55 2.61 2.75 2.102",
        {"flavor": {"description": "New."}},
    ),
    Sample("flavors", "access", "GET flavors/{flavor_id}/os-flavor-access", "2.1"),
    Sample("flavors", "extra-specs", "GET flavors/{flavor_id}/os-extra_specs", "2.1"),
    Sample("key-pairs", "list", "GET os-keypairs", "2.1 2.2 2.35", who="owner"),
    Sample("key-pairs", "show", "GET os-keypairs/{name}", "2.1 2.2", who="owner"),
    Sample(
        "key-pairs",
        "import",
        "POST os-keypairs",
        "2.1 2.2",
        {"keypair": {"name": "new", "public_key": PUBLIC_KEY}},
        "owner",
    ),
    Sample(
        "key-pairs",
        "import",
        "POST os-keypairs",
        "2.92",
        {"keypair": {"name": "me@home", "public_key": PUBLIC_KEY}},
        "owner",
    ),
    Sample("server-groups", "list", "GET os-server-groups", "2.1 2.13 2.64", who="member"),
    Sample("server-groups", "show", "GET os-server-groups/{group_id}", "2.1 2.13 2.64"),
    Sample(
        "server-groups",
        "create",
        "POST os-server-groups",
        "2.1 2.13",
        {"server_group": {"name": "new", "policies": ["affinity"]}},
        "member",
    ),
    Sample(
        "server-groups",
        "create",
        "POST os-server-groups",
        "2.64",
        {
            "server_group": {
                "name": "new",
                "policy": "anti-affinity",
                "rules": {"max_server_per_host": 2},
            }
        },
        "member",
    ),
    Sample("limits", "show", "GET limits", "2.1 2.36 2.39 2.57", who="member"),
    Sample("quota-sets", "show", "GET os-quota-sets/{target_id}", "2.1 2.36 2.57"),
    Sample("quota-sets", "detail", "GET os-quota-sets/{target_id}/detail", "2.1 2.36 2.57"),
    Sample(
        "quota-sets",
        "statement",
        "GET os-quota-sets/{target_id}/cloudportal:statement"
        "?start=2026-05-04&end=2026-05-05&resource=ports",
        "2.1",
    ),
    Sample("quota-sets", "defaults", "GET os-quota-sets/{target_id}/defaults", "2.1 2.36 2.57"),
    Sample(
        "quota-sets",
        "update",
        "PUT os-quota-sets/{target_id}",
        "2.1 2.36 2.57",
        {"quota_set": {"cores": 9}},
    ),
    Sample("quota-class-sets", "show", "GET os-quota-class-sets/{class_name}", "2.1 2.50 2.57"),
    Sample("hypervisors", "list", "GET os-hypervisors", "2.1 2.53"),
    Sample("hypervisors", "detail", "GET os-hypervisors/detail", "2.1 2.28 2.53 2.88"),
    Sample("hypervisors", "show", "GET os-hypervisors/{hypervisor_id}", "2.53 2.88"),
    Sample("hypervisors", "statistics", "GET os-hypervisors/statistics", "2.1"),
    Sample("services", "list", "GET os-services", "2.1 2.11 2.53 2.69"),
    Sample("services", "disable", "PUT os-services/{name}", "2.53", {"status": "disabled"}),
    Sample("aggregates", "list", "GET os-aggregates", "2.1 2.41"),
    Sample(
        "aggregates", "create", "POST os-aggregates", "2.1 2.41", {"aggregate": {"name": "new"}}
    ),
    Sample(
        "aggregates",
        "add-host",
        "POST os-aggregates/{aggregate_id}/action",
        "2.1",
        {"add_host": {"host": "host1"}},
    ),
    Sample(
        "aggregates",
        "set-metadata",
        "POST os-aggregates/{aggregate_id}/action",
        "2.1 2.41",
        {"set_metadata": {"metadata": {"ssd": "true"}}},
    ),
    Sample("usage", "list", f"GET os-simple-tenant-usage?{_DAY}&detailed=1", "2.1"),
    Sample("usage", "show", f"GET os-simple-tenant-usage/{{tenant_id}}?{_DAY}", "2.1"),
    Sample("server-facts", "topology", "GET servers/{server_id}/topology", "2.78"),
    Sample(
        *("server-facts", "topology-nodes", "GET servers/{server_id}/topology", "2.78"),
        world="nodes",
    ),
    Sample("server-facts", "password", "GET servers/{server_id}/os-server-password", "2.1"),
    Sample(
        *("server-facts", "remote-console", "POST servers/{server_id}/remote-consoles", "2.6"),
        {"remote_console": {"protocol": "vnc", "type": "novnc"}},
    ),
    Sample("server-facts", "shares", "GET servers/{server_id}/shares", "2.97"),
    Sample("server-facts", "security-groups", "GET servers/{server_id}/os-security-groups", "2.1"),
    Sample("migrations", "list", "GET os-migrations", "2.1 2.23 2.59 2.80"),
    Sample("extensions", "show", "GET extensions/{alias}", "2.1"),
    Sample("hosts", "list", "GET os-hosts", "2.1"),
    Sample("images", "detail", "GET images/detail", "2.1"),
    Sample("networks", "list", "GET os-networks", "2.1"),
    Sample("security-groups", "list", "GET os-security-groups", "2.1"),
    Sample(
        "external-events",
        "create",
        "POST os-server-external-events",
        "2.1",
        {"events": [{"name": "network-changed", "server_uuid": "$server_id"}]},
    ),
    Sample("availability-zones", "list", "GET os-availability-zone", "2.1"),
    Sample("availability-zones", "detail", "GET os-availability-zone/detail", "2.1"),
]

"""Samples of what administrators and services ask, and of other forms as they grew."""

from __future__ import annotations

from typing import Any

from tests.compute_world import PUBLIC_KEY
from tests.samples.sample import Sample

_NOTHING = "00000000-0000-4000-8000-00000000dead"
_AGGREGATE = "os-aggregates/{aggregate_id}"
_DRAIN = "os-hypervisors/{hypervisor_id}/cloudportal:drain"
_DOMAINS = "os-hypervisors/{hypervisor_id}/cloudportal:domains"
_COMPUTE = {"host": "host1", "binary": "nova-compute"}


def _events(microversion: str, name: str, tag: str) -> Sample:
    event = {"name": name, "server_uuid": "$server_id", "tag": tag}
    return Sample(
        "external-events",
        "create",
        "POST os-server-external-events",
        microversion,
        {"events": [event]},
    )


def _class(microversions: str, **limits: int) -> Sample:
    body: dict[str, Any] = {"quota_class_set": limits}
    call = "PUT os-quota-class-sets/{class_name}"
    return Sample("quota-class-sets", "update", call, microversions, body)


ADMINISTRATION = [
    Sample(
        *("flavors", "share", "POST flavors/{flavor_id}/action", "2.1"),
        {"removeTenantAccess": {"tenant": "$tenant_id"}},
    ),
    Sample("flavors", "extra-spec", "GET flavors/{flavor_id}/os-extra_specs/{key}", "2.1"),
    Sample(
        *("flavors", "add-extra-specs", "POST flavors/{flavor_id}/os-extra_specs", "2.1"),
        {"extra_specs": {"size": "small"}},
    ),
    Sample(
        *("flavors", "set-extra-spec", "PUT flavors/{flavor_id}/os-extra_specs/{key}", "2.1"),
        {"color": "blue"},
    ),
    Sample(
        *("key-pairs", "import", "POST os-keypairs", "2.10"),
        {"keypair": {"name": "new", "public_key": PUBLIC_KEY, "user_id": _NOTHING}},
    ),
    Sample(
        *("server-groups", "create", "POST os-server-groups", "2.15"),
        {"server_group": {"name": "new", "policies": ["soft-anti-affinity"]}},
        "member",
    ),
    _class("2.1", cores=9, injected_files=3),
    _class("2.50", cores=9, server_groups=3),
    _class("2.57", cores=9),
    Sample("aggregates", "show", f"GET {_AGGREGATE}", "2.1 2.41"),
    Sample(
        *("aggregates", "update", f"PUT {_AGGREGATE}", "2.1 2.41"), {"aggregate": {"name": "new"}}
    ),
    Sample(
        *("aggregates", "images", f"POST {_AGGREGATE}/images", "2.81"),
        {"cache": [{"id": "$image_id"}]},
    ),
    Sample(
        *("hypervisors", "show", "GET os-hypervisors/{hypervisor_id}", "2.1 2.28"),
        names={"hypervisor_id": "hypervisor_number"},
    ),
    Sample("hypervisors", "drain", f"GET {_DRAIN}", "2.1"),
    Sample("hypervisors", "drain-servers", f"GET {_DRAIN}/servers?limit=1", "2.1"),
    Sample(
        *("hypervisors", "plan-drain", f"POST {_DRAIN}", "2.1"),
        {"plan": {"max_at_once": 2, "moves_stopped": False}},
    ),
    Sample("hypervisors", "start-drain", f"POST {_DRAIN}", "2.1", {"start": None}),
    Sample("hypervisors", "domains", f"GET {_DOMAINS}?limit=1", "2.1", world="domains"),
    Sample(
        *("hypervisors", "adopt", f"POST {_DOMAINS}/{{domain_id}}/adopt", "2.1"),
        {"adopt": {"project_id": "$tenant_id", "name": "heirloom"}},
        world="domains",
    ),
    Sample("hypervisors", "search", "GET os-hypervisors/{pattern}/search", "2.1"),
    Sample("hypervisors", "servers", "GET os-hypervisors/{pattern}/servers", "2.1"),
    Sample(
        *("services", "disable", "PUT os-services/{name}", "2.1"),
        _COMPUTE,
        names={"name": "disable"},
    ),
    Sample(
        *("services", "force-down", "PUT os-services/{name}", "2.11"),
        {**_COMPUTE, "forced_down": True},
        names={"name": "force-down"},
    ),
    Sample("hosts", "show", "GET os-hosts/{name}", "2.1"),
    Sample("hosts", "update", "PUT os-hosts/{name}", "2.1", {"status": "disable"}),
    Sample("usage", "audit-log", "GET os-instance_usage_audit_log", "2.1"),
    Sample("usage", "audit-log-before", "GET os-instance_usage_audit_log/{before}", "2.1"),
    _events("2.51", "volume-extended", _NOTHING),
    _events("2.76", "power-update", "POWER_ON"),
    _events("2.82", "accelerator-request-bound", _NOTHING),
    _events("2.93", "volume-reimaged", _NOTHING),
    Sample(
        *("external-events", "assisted-snapshot", "POST os-assisted-volume-snapshots", "2.1"),
        {
            "snapshot": {
                "volume_id": _NOTHING,
                "create_info": {"snapshot_id": _NOTHING, "type": "qcow2", "new_file": "new"},
            }
        },
        status=400,
    ),
    Sample("extensions", "list", "GET extensions", "2.1"),
    Sample("extensions", "version", "GET versions/{version_id}", "2.1"),
]

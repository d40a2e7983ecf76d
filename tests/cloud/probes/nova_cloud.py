"""What novaclient is asked beside servers: flavors, limits, hosts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import novaclient.exceptions as errors

from tests.cloud import blink
from tests.cloud.probes.nova import NOWHERE, PROBES, NovaColumn, understood
from tests.cloud.probes.table import Outcome
from tests.compute_world import PUBLIC_KEY


@PROBES.of("server groups")
def _groups(n: NovaColumn) -> None:
    policy = "anti-affinity" if n.at("2.64") else ["anti-affinity"]
    made = n.nova.server_groups.create(n.own, policy)
    assert made.id in {each.id for each in n.nova.server_groups.list()}
    assert n.nova.server_groups.get(made.id).members == []
    n.nova.server_groups.delete(made.id)


@PROBES.of("flavors")
def _flavors(n: NovaColumn) -> None:
    made = n.root.flavors.create(n.own, 128, 1, 1, swap=32)
    assert n.nova.flavors.get(made.id).ram == 128
    if n.at("2.55"):
        assert n.root.flavors.update(made, "Small.").description == "Small."
    assert made.id in {each.id for each in n.nova.flavors.list(min_ram=100, sort_key="memory_mb")}
    made.delete()


@PROBES.of("flavor access")
def _access(n: NovaColumn) -> None:
    made = n.root.flavors.create(f"{n.own}-private", 128, 1, 1, is_public=False)
    project = n.demo.current_project_id
    n.root.flavor_access.add_tenant_access(made, project)
    assert [each.tenant_id for each in n.root.flavor_access.list(flavor=made)] == [project]
    assert n.nova.flavors.get(made.id).name == f"{n.own}-private"
    n.root.flavor_access.remove_tenant_access(made, project)
    made.delete()


@PROBES.of("flavor extra specs")
def _extra_specs(n: NovaColumn) -> None:
    made = n.root.flavors.create(f"{n.own}-specs", 128, 1, 1)
    made.set_keys({"hw:watchdog_action": "reset"})
    assert made.get_keys() == {"hw:watchdog_action": "reset"}
    made.unset_keys(["hw:watchdog_action"])
    assert made.get_keys() == {}
    made.delete()


@PROBES.of("key pairs")
def _key_pairs(n: NovaColumn) -> None:
    made = n.nova.keypairs.create(n.own, PUBLIC_KEY)
    assert n.own in {each.name for each in n.nova.keypairs.list()}
    assert n.nova.keypairs.get(made).public_key.split()[:2] == PUBLIC_KEY.split()[:2]
    n.nova.keypairs.delete(made)


@PROBES.of("limits")
def _limits(n: NovaColumn) -> None:
    absolute = {each.name: each.value for each in n.nova.limits.get().absolute}
    assert absolute["totalInstancesUsed"] >= 1


@PROBES.of("quota sets")
def _quotas(n: NovaColumn) -> None:
    project = n.admin.identity.create_project(name=n.own)
    assert n.root.quotas.update(project.id, instances=12).instances == 12
    assert n.root.quotas.get(project.id, detail=True).instances["limit"] == 12
    n.root.quotas.delete(project.id)
    assert n.root.quotas.get(project.id).cores == n.root.quotas.defaults(project.id).cores
    n.admin.identity.delete_project(project)


@PROBES.of("quota classes")
def _classes(n: NovaColumn) -> None:
    assert n.root.quota_classes.get("default").cores > 0
    # Another class is kept and has no effect.
    n.root.quota_classes.update(n.own, cores=7)


@PROBES.of("usage")
def _usage(n: NovaColumn) -> None:
    now = datetime.now(UTC).replace(tzinfo=None) + timedelta(minutes=1)
    period = now - timedelta(days=1), now
    project = n.demo.current_project_id
    assert n.nova.usage.get(project, *period).total_hours >= 0
    assert project in {each.tenant_id for each in n.root.usage.list(*period, detailed=True)}
    # As in a cloud whose audit is off.
    assert n.root.instance_usage_audit_log.get().num_hosts_done == 0


@PROBES.of("availability zones")
def _zones(n: NovaColumn) -> None:
    assert "nova" in {each.zoneName for each in n.nova.availability_zones.list(detailed=False)}
    assert "nova" in {each.zoneName for each in n.root.availability_zones.list()}


@PROBES.of("aggregates")
def _aggregates(n: NovaColumn) -> None:
    host = n.shown()["OS-EXT-SRV-ATTR:host"]
    made = n.root.aggregates.create(n.own, None)
    made.add_host(host)
    made.set_metadata({"ssd": "true"})
    shown = n.root.aggregates.get(made)
    assert (shown.hosts, shown.metadata) == ([host], {"ssd": "true"})
    assert made.id in {each.id for each in n.root.aggregates.list()}
    made.update({"name": f"{n.own}-two"})
    made.remove_host(host)
    made.delete()


@PROBES.of("image pre-cache", since="2.81")
def _precache(n: NovaColumn) -> None:
    made = n.root.aggregates.create(f"{n.own}-cache", None)
    n.root.aggregates.cache_images(made, [n.demo.image.find_image(blink.NAME).id])
    made.delete()


@PROBES.of("hypervisors")
def _hypervisors(n: NovaColumn) -> None:
    listed = n.root.hypervisors.list(detailed=True)
    assert {each.state for each in listed} == {"up"}
    assert n.root.hypervisors.get(listed[0]).id == listed[0].id
    assert n.root.hypervisors.search(listed[0].hypervisor_hostname, servers=True)
    if not n.at("2.88"):
        assert n.root.hypervisors.statistics().count == len(listed)


@PROBES.of("services")
def _services(n: NovaColumn) -> None:
    listed = n.root.services.list(binary="nova-compute")
    assert {each.state for each in listed} == {"up"}
    [one] = n.root.services.list(host=listed[0].host, binary="nova-compute")
    # To enable what is enabled changes nothing for the other columns.
    n.root.services.enable(*(one.id,) if n.at("2.53") else (one.host, one.binary))


@PROBES.of("external events")
def _events(n: NovaColumn) -> None:
    event = {"name": "network-changed", "server_uuid": n.server}
    assert [each["code"] for each in n.root.server_external_events.create([event])] == [200]


@PROBES.of("assisted volume snapshots")
def _snapshots(n: NovaColumn) -> Outcome:
    with understood(errors.BadRequest):
        n.root.assisted_volume_snapshots.create(
            NOWHERE, {"snapshot_id": NOWHERE, "type": "qcow2", "new_file": "f"}
        )
    return Outcome.UNDERSTOOD

"""What openstacksdk is asked beside servers: flavors, limits, hosts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from openstack import exceptions as errors

from tests.cloud import blink
from tests.cloud.probes.sdk import PROBES, SdkColumn, understood
from tests.compute_world import PUBLIC_KEY


@PROBES.of("server groups")
def _groups(s: SdkColumn) -> None:
    made = s.nova.create_server_group(name=s.own, policy="anti-affinity")
    assert made.id in {each.id for each in s.nova.server_groups()}
    assert s.nova.get_server_group(made.id).policy == "anti-affinity"
    s.nova.delete_server_group(made)


@PROBES.of("flavors")
def _flavors(s: SdkColumn) -> None:
    made = s.root.create_flavor(name=s.own, ram=128, vcpus=1, disk=1, description="Small.")
    assert s.nova.find_flavor(s.own).ram == 128
    assert s.root.update_flavor(made, description="Other.").description == "Other."
    assert made.id in {each.id for each in s.nova.flavors(min_ram=100, sort_key="memory_mb")}
    s.root.delete_flavor(made)


@PROBES.of("flavor access")
def _access(s: SdkColumn) -> None:
    made = s.root.create_flavor(name=s.own, ram=128, vcpus=1, disk=1, is_public=False)
    project = s.demo.current_project_id
    s.root.flavor_add_tenant_access(made.id, project)
    assert [each["tenant_id"] for each in s.root.get_flavor_access(made.id)] == [project]
    s.root.flavor_remove_tenant_access(made.id, project)
    s.root.delete_flavor(made)


@PROBES.of("flavor extra specs")
def _extra_specs(s: SdkColumn) -> None:
    made = s.root.create_flavor(name=s.own, ram=128, vcpus=1, disk=1)
    key = "hw:watchdog_action"
    s.root.create_flavor_extra_specs(made, {key: "reset"})
    s.root.update_flavor_extra_specs_property(made.id, key, "pause")
    assert s.root.get_flavor_extra_specs_property(made.id, key) == "pause"
    assert s.root.fetch_flavor_extra_specs(made).extra_specs == {key: "pause"}
    s.root.delete_flavor_extra_specs_property(made.id, key)
    s.root.delete_flavor(made)


@PROBES.of("key pairs")
def _key_pairs(s: SdkColumn) -> None:
    made = s.nova.create_keypair(name=s.own, public_key=PUBLIC_KEY)
    assert s.own in {each.name for each in s.nova.keypairs()}
    assert s.nova.get_keypair(s.own).fingerprint == made.fingerprint
    s.nova.delete_keypair(s.own)


@PROBES.of("limits")
def _limits(s: SdkColumn) -> None:
    assert s.nova.get_limits().absolute.instances_used >= 1


@PROBES.of("quota sets")
def _quotas(s: SdkColumn) -> None:
    project = s.admin.identity.create_project(name=s.own)
    s.root.update_quota_set(project.id, instances=12)
    assert s.root.get_quota_set(project.id, usage=True).instances == 12
    s.root.revert_quota_set(project.id)
    assert s.root.get_quota_set(project.id).cores == s.root.get_quota_set_defaults(project.id).cores
    s.admin.identity.delete_project(project)


@PROBES.of("quota classes")
def _classes(s: SdkColumn) -> None:
    assert s.root.get_quota_class_set("default").cores > 0
    s.root.update_quota_class_set(s.own, cores=7)


@PROBES.of("usage")
def _usage(s: SdkColumn) -> None:
    end = datetime.now(UTC).replace(tzinfo=None) + timedelta(minutes=1)
    start = end - timedelta(days=1)
    project = s.demo.current_project_id
    assert s.nova.get_usage(project, start, end).total_hours >= 0
    assert project in {each.project_id for each in s.root.usages(start, end)}


@PROBES.of("availability zones")
def _zones(s: SdkColumn) -> None:
    assert "nova" in {each.name for each in s.nova.availability_zones()}
    assert "nova" in {each.name for each in s.root.availability_zones(details=True)}


@PROBES.of("aggregates")
def _aggregates(s: SdkColumn) -> None:
    host = s.shown()["OS-EXT-SRV-ATTR:host"]
    made = s.root.create_aggregate(name=s.own)
    s.root.add_host_to_aggregate(made.id, host)
    s.root.set_aggregate_metadata(made.id, {"ssd": "true"})
    shown = s.root.get_aggregate(made.id)
    assert (shown.hosts, shown.metadata) == ([host], {"ssd": "true"})
    s.root.update_aggregate(made.id, name=f"{s.own}-two")
    s.root.remove_host_from_aggregate(made.id, host)
    s.root.delete_aggregate(made.id)


@PROBES.of("image pre-cache")
def _precache(s: SdkColumn) -> None:
    made = s.root.create_aggregate(name=f"{s.own}-cache")
    s.root.aggregate_precache_images(made.id, [s.demo.image.find_image(blink.NAME).id])
    s.root.delete_aggregate(made.id)


@PROBES.of("hypervisors")
def _hypervisors(s: SdkColumn) -> None:
    listed = list(s.root.hypervisors(details=True, with_servers=True))
    assert {each.state for each in listed} == {"up"}
    assert s.root.get_hypervisor(listed[0].id).name == listed[0].name
    with understood(errors.ForbiddenException):
        list(s.nova.hypervisors())


@PROBES.of("services")
def _services(s: SdkColumn) -> None:
    listed = list(s.root.services(binary="nova-compute"))
    assert {each.state for each in listed} == {"up"}
    # To enable what is enabled changes nothing for the other columns.
    s.root.enable_service(listed[0])


@PROBES.of("external events")
def _events(s: SdkColumn) -> None:
    event = {"name": "network-changed", "server_uuid": s.server}
    assert [each.code for each in s.root.create_server_external_events([event])] == [200]

"""Many servers at once: spread over the hosts, within the claims, and nothing left."""

from __future__ import annotations

import pytest

from tests.cloud import blink
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]
MOST = 20


@pytest.fixture
def small_flavor(cloud):
    """So small that twenty fit the limits; they are not asked to boot."""
    admin = cloud.portal.connection("cloudportal-admin")
    flavor = admin.compute.create_flavor(name="m1.nano-test", ram=128, vcpus=1, disk=1)
    project = admin.identity.find_project("demo")
    admin.compute.update_quota_set(project.id, instances=MOST + 5, cores=MOST + 5)
    yield flavor
    admin.compute.delete_flavor(flavor.id)
    admin.compute.revert_quota_set(project.id)


@pytest.mark.parametrize("count", [6, pytest.param(MOST, marks=pytest.mark.long)])
def test_many_at_once_become_active_and_no_host_is_over_its_claim(empty_cloud, small_flavor, count):
    portal = empty_cloud.portal
    demo = portal.connection()
    image = demo.image.find_image(blink.NAME)

    for number in range(count):
        demo.compute.create_server(
            name=f"many-{number}", image_id=image.id, flavor_id=small_flavor.id, networks="auto"
        )

    def servers():
        return list(demo.compute.servers())

    eventually(
        lambda: all(server.status != "BUILD" for server in servers()),
        within_s=300,
        what="no server is being built",
    )
    found = servers()
    assert [server.status for server in found] == ["ACTIVE"] * count
    assert len({address["addr"] for s in found for address in s.addresses["default"]}) == count
    admin = portal.connection("cloudportal-admin")
    placed = list(admin.compute.servers(all_projects=True))
    assert {server.compute_host for server in placed} == {h["name"] for h in empty_cloud.hosts}
    for host in admin.compute.get("/os-hypervisors/detail", microversion="2.53").json()[
        "hypervisors"
    ]:
        assert host["vcpus_used"] <= host["vcpus"] * 4
        assert host["memory_mb_used"] <= host["memory_mb"]
    assert sum(server.compute_host is not None for server in placed) == count

"""From which microversion on a call refuses query parameters that it does not know."""

import pytest

from cloudportal.api.microversions import Microversion
from tests.authorisation import client_as
from tests.compute_world import make_world
from tests.endpoints import compute_calls

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("silent_hosts")]
EDGES = ["2.52", "2.53", "2.57", "2.58", "2.59", "2.74", "2.75", "2.98", "2.99", "2.101", "2.102"]
NEVER = "2.999"
# All other calls are strict from 2.102 on.
STRICT_SINCE = {
    "os-hypervisors": "2.53",
    "os-hypervisors/detail": "2.53",
    "os-hypervisors/{hypervisor_id}": "2.53",
    "servers/{server_id}/os-instance-actions": "2.58",
    "os-migrations": "2.59",
    **dict.fromkeys(
        (
            *("servers", "servers/detail", "os-volumes_boot", "os-volumes_boot/detail"),
            *("flavors", "flavors/detail", "os-keypairs", "os-keypairs/{name}", "limits"),
            *("os-quota-sets/{target_id}", "os-quota-sets/{target_id}/detail", "os-services"),
            *("os-server-groups", "os-simple-tenant-usage", "os-simple-tenant-usage/{tenant_id}"),
            "servers/{server_id}/os-volume_attachments",
        ),
        "2.75",
    ),
    # This cloud's own have no clients from before.
    "os-hypervisors/{hypervisor_id}/cloudportal:domains": "2.1",
    "os-hypervisors/{hypervisor_id}/cloudportal:drain/servers": "2.1",
    "os-quota-sets/{target_id}/cloudportal:statement": "2.1",
    "os-console-auth-tokens/{token}": "2.99",
    "os-quota-sets/{target_id}/defaults": NEVER,
    "servers/{server_id}/tags": NEVER,
    "servers/{server_id}/tags/{tag}": NEVER,
    "servers/{server_id}/os-volume_attachments/{volume_id}": NEVER,
}


@pytest.mark.parametrize("microversion", EDGES)
def test_an_unknown_parameter_is_refused_from_the_right_microversion(microversion):
    world = make_world()
    version = Microversion.parse(microversion)
    client = client_as("admin", microversion)
    offered = [
        call
        for call in compute_calls()
        if call.method == "GET" and call.first <= version <= call.last
    ]

    refused = {
        call.route
        for call in offered
        if b"'unexpected' was unexpected"
        in client.get(world.path(call.route) + "?unexpected=1").content
    }

    assert refused == {
        call.route
        for call in offered
        if Microversion.parse(STRICT_SINCE.get(call.route, "2.102")) <= version
    }

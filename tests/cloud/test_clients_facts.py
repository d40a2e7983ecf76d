"""Usage, events, migrations, diagnostics and other facts, as real clients ask for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import novaclient.client
import novaclient.exceptions
import pytest

pytestmark = [pytest.mark.lab, pytest.mark.wire]
ADMIN = "cloudportal-admin"
VERSIONS = ["2.1", "2.37", "2.60", "2.79", "2.96"]


@pytest.fixture
def portal(cloud):
    return cloud.portal


def nova(portal, version, cloud=ADMIN):
    session = portal.connection(cloud).session
    return novaclient.client.Client(version, session=session, region_name="RegionOne")


def test_usage_with_the_command(portal):
    portal.openstack("usage", "list", cloud=ADMIN)
    found = portal.openstack_json("usage", "show")

    assert set(found) >= {"CPU Hours", "RAM MB-Hours", "Servers"}


def test_what_the_api_says_of_itself(portal):
    versions = portal.openstack_json("versions", "show", "--service", "compute")
    extensions = portal.openstack_json("extension", "list", "--compute")

    assert "2.104" in {row["Max Microversion"] for row in versions}
    assert "cloudportal" in {row["Alias"] for row in extensions}


def test_migrations_with_the_command(portal):
    assert portal.openstack_json("server", "migration", "list", cloud=ADMIN) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_facts_with_novaclient(portal, version):
    client = nova(portal, version)
    known = {each.id: each for each in client.versions.list()}

    assert known["v2.1"].version == "2.104"
    assert client.migrations.list() == []
    assert client.instance_usage_audit_log.get().num_hosts_done == 0
    assert isinstance(client.usage.list(*_period(), detailed=True), list)
    with pytest.raises(novaclient.exceptions.BadRequest):
        client.assisted_volume_snapshots.create(
            "v", {"snapshot_id": "s", "type": "qcow2", "new_file": "f"}
        )
    events = [{"name": "network-changed", "server_uuid": "0" * 8 + "-0000-4000-8000-" + "0" * 12}]
    told = client.server_external_events.create(events)
    assert told[0]["code"] == 404


def _period():
    now = datetime.now(UTC).replace(tzinfo=None)
    return now - timedelta(days=1), now

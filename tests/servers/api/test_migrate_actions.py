"""Live migration and evacuation as clients ask for them, and migrations under way as they see."""

import pytest

from hypervisors.models import HostState, Hypervisor
from operations.models import Operation
from servers.models import Migration, ServerAction
from servers.states import MigrationStatus, TaskState, VmState
from tests.authorisation import client_as
from tests.scheduling.two_cells import pinned

pytestmark = pytest.mark.django_db

LIVE = {"host": None, "block_migration": "auto"}
OLD_LIVE = {"host": None, "block_migration": True, "disk_over_commit": True}


@pytest.fixture
def other(host):
    """A second host with room."""
    Hypervisor.objects.filter(pk=host.pk).update(qemu_version=7002000)
    return Hypervisor.objects.create(
        name="beta", hostname="beta.lab", uri="qemu+ssh://root@beta/system", state=HostState.UP,
        vcpus=8, ram_mib=16384, disk_gib=100, qemu_version=7002000,
    )  # fmt: skip


def act(server, body, version="2.90", who="admin"):
    return client_as(who, version).post(f"/compute/v2.1/servers/{server.pk}/action", body)


def migrate(server, version="2.90", who="admin", **fields):
    known = OLD_LIVE if float(version[2:]) < 25 else LIVE
    return act(server, {"os-migrateLive": {**known, **fields}}, version, who)


def message_of(answer) -> str:
    [fault] = answer.json().values()
    return fault["message"]


# Live migration


def test_a_server_with_numa_nodes_is_not_migrated_while_it_runs(active, other):
    server = active()
    server.request_spec["numa"] = pinned(1).to_json()
    server.save()

    answer = migrate(server, host="beta")

    assert answer.status_code == 400
    assert "Instance has an associated NUMA topology" in message_of(answer)
    assert not Migration.objects.exists()


def test_a_live_migration_begins_with_its_record(active, other):
    server = active()

    answer = migrate(server, host="beta")

    assert (answer.status_code, answer.content) == (202, b"")
    server.refresh_from_db()
    assert (server.status, server.task_state) == ("MIGRATING", TaskState.MIGRATING)
    record = Migration.objects.get()
    assert (record.type, record.status) == ("live-migration", MigrationStatus.QUEUED)
    assert (record.source_name, record.destination_name) == ("alpha", "beta")
    operation = Operation.objects.get(kind="server.live_migrate")
    assert operation.params["host"] == "beta"
    assert operation.params["is_forced"] is False


@pytest.mark.parametrize(
    ("version", "fields", "is_forced"),
    [
        ("2.29", {"host": "beta"}, True),
        ("2.30", {"host": "beta"}, False),
        ("2.67", {"host": "beta", "force": True}, True),
        ("2.68", {"host": "beta"}, False),
        ("2.29", {}, False),
    ],
)
def test_whether_a_host_is_forced_depends_on_the_version(active, other, version, fields, is_forced):
    assert migrate(active(), version, **fields).status_code == 202

    assert Operation.objects.get(kind="server.live_migrate").params["is_forced"] is is_forced


def test_force_needs_a_host_and_is_gone_from_2_68_on(active, other):
    server = active()

    answer = migrate(server, "2.30", force=True)

    assert answer.status_code == 400
    assert message_of(answer) == "Can't force to a non-provided destination"
    assert migrate(server, "2.68", host="beta", force=True).status_code == 400


@pytest.mark.parametrize(
    ("version", "fields", "reason"),
    [
        ("2.24", {"block_migration": False}, "block migration was not asked for"),
        ("2.33", {"block_migration": False}, "block migration was not asked for"),
        ("2.33", {"host": "alpha"}, "is on alpha already"),
    ],
)
def test_until_2_33_what_is_known_beforehand_is_a_400(active, other, version, fields, reason):
    answer = migrate(active(), version, **fields)

    assert answer.status_code == 400
    assert reason in message_of(answer)
    assert not Migration.objects.exists()


def test_until_2_33_no_host_at_all_is_a_400_and_later_it_shows_afterwards(active):
    server = active()

    answer = migrate(server, "2.33")
    assert answer.status_code == 400
    assert message_of(answer).startswith("No valid host was found.")

    assert migrate(server, "2.34").status_code == 202


def test_a_host_that_nobody_knows_is_a_400(active, other):
    answer = migrate(active(), host="nowhere")

    assert answer.status_code == 400
    assert message_of(answer) == "Compute host nowhere could not be found."


def test_who_may_migrate_may_not_therefore_choose_the_host(active, other):
    server = active()

    assert migrate(server, who="manager", host="beta").status_code == 403
    assert migrate(server, who="member").status_code == 403
    assert migrate(server, who="manager").status_code == 202


def test_a_stopped_server_does_not_live_migrate(active, other):
    server = active(vm_state=VmState.STOPPED)

    answer = migrate(server)

    assert answer.status_code == 409
    assert message_of(answer) == (
        f"Cannot 'os-migrateLive' instance {server.pk} while it is in vm_state stopped"
    )


# Migrations under way


@pytest.fixture
def moving(active, other):
    """A server whose live migration sends memory."""
    server = active()
    assert migrate(server, host="beta").status_code == 202
    Migration.objects.update(
        status=MigrationStatus.RUNNING, memory_total_bytes=100, memory_processed_bytes=60
    )
    server.refresh_from_db()
    return server


def of(server, path="", version="2.80", who="admin"):
    return client_as(who, version).get(f"/compute/v2.1/servers/{server.pk}/migrations{path}")


def test_a_migration_under_way_is_listed_and_shown(moving):
    record = Migration.objects.get()

    [listed] = of(moving).json()["migrations"]

    assert listed == of(moving, f"/{record.pk}").json()["migration"]
    assert (listed["id"], listed["status"]) == (record.pk, "running")
    assert (listed["memory_total_bytes"], listed["memory_processed_bytes"]) == (100, 60)
    assert (listed["source_compute"], listed["dest_compute"]) == ("alpha", "beta")
    assert listed["uuid"] == str(record.uuid)
    assert "uuid" not in of(moving, version="2.58").json()["migrations"][0]
    assert "user_id" not in of(moving, version="2.79").json()["migrations"][0]
    assert of(moving, version="2.22").status_code == 404


def test_hosts_are_shown_to_administrators_alone(moving):
    [listed] = of(moving, who="manager").json()["migrations"]

    assert {listed[key] for key in ("source_compute", "dest_compute", "dest_host")} == {None}
    assert of(moving, who="member").status_code == 403


def test_one_that_is_over_is_neither_listed_nor_shown(moving):
    record = Migration.objects.get()
    Migration.objects.update(status=MigrationStatus.COMPLETED)

    assert of(moving).json() == {"migrations": []}
    answer = of(moving, f"/{record.pk}")
    assert answer.status_code == 404
    assert message_of(answer) == (
        f"In-progress live migration {record.pk} is not found for server {moving.pk}."
    )


@pytest.mark.parametrize(
    "migration_id", ["0", "x", "9" * 40, "b2ee61d4-9a3f-4d3c-8c0e-7d0a52b0c8b1"]
)
def test_an_unknown_migration_is_not_found(moving, migration_id):
    path = f"/compute/v2.1/servers/{moving.pk}/migrations/{migration_id}"
    admin = client_as("admin", "2.80")

    assert admin.get(path).status_code == 404
    assert admin.delete(path).status_code == 404
    assert admin.post(f"{path}/action", {"force_complete": None}).status_code == 404


def abort(server, version="2.65"):
    record = Migration.objects.get()
    path = f"/compute/v2.1/servers/{server.pk}/migrations/{record.pk}"
    return client_as("admin", version).delete(path)


def test_an_abort_is_asked_of_a_running_one(moving):
    assert abort(moving, "2.24").status_code == 202

    assert Migration.objects.get().asked == "abort"
    assert ServerAction.objects.get(action="live_migration_cancel").events.count() == 1


def test_one_that_has_not_begun_can_be_aborted_from_2_65_on(moving):
    Migration.objects.update(status=MigrationStatus.QUEUED)
    record = Migration.objects.get()

    answer = abort(moving, "2.64")
    assert answer.status_code == 400
    assert message_of(answer) == (
        f"Migration {record.pk} state of instance {moving.pk} is queued. Cannot abort live "
        "migration while the migration is in this state."
    )
    assert abort(moving, "2.65").status_code == 202


def force(server, version="2.22"):
    record = Migration.objects.get()
    path = f"/compute/v2.1/servers/{server.pk}/migrations/{record.pk}/action"
    return client_as("admin", version).post(path, {"force_complete": None})


def test_only_a_running_one_is_forced_to_its_end(moving):
    assert force(moving).status_code == 202
    assert Migration.objects.get().asked == "force_complete"

    Migration.objects.update(status=MigrationStatus.PREPARING)
    assert force(moving).status_code == 400


def test_a_server_that_is_not_moving_has_nothing_to_abort_or_force(moving):
    type(moving).objects.update(task_state=None)

    assert abort(moving).status_code == 409
    assert message_of(force(moving)) == (
        f"Cannot 'force_complete' instance {moving.pk} while it is in task_state None"
    )


# Evacuation


@pytest.fixture
def lost(active, other, host):
    """A server whose host is down."""
    server = active()
    Hypervisor.objects.filter(pk=host.pk).update(state=HostState.DOWN)
    return server


def test_an_evacuation_tells_the_password_until_2_13(lost):
    answer = act(lost, {"evacuate": {"onSharedStorage": False}}, "2.13")

    assert answer.status_code == 200
    assert set(answer.json()) == {"adminPass"}
    lost.refresh_from_db()
    assert (lost.status, lost.task_state) == ("REBUILD", TaskState.REBUILDING)
    record = Migration.objects.get()
    assert (record.type, record.status) == ("evacuation", MigrationStatus.ACCEPTED)


def test_a_password_of_ones_own_is_told_back(lost):
    body = {"evacuate": {"onSharedStorage": False, "adminPass": "secret"}}

    assert act(lost, body, "2.1").json() == {"adminPass": "secret"}


@pytest.mark.parametrize(("version", "stops"), [("2.14", False), ("2.94", False), ("2.95", True)])
def test_later_nothing_is_told_and_from_2_95_on_it_ends_stopped(lost, version, stops):
    answer = act(lost, {"evacuate": {}}, version)

    assert (answer.status_code, answer.content) == (200, b"")
    assert Operation.objects.get(kind="server.evacuate").params["ends_stopped"] is stops


def test_disks_are_said_to_be_shared_in_vain(lost):
    shared = {"onSharedStorage": True}
    assert act(lost, {"evacuate": shared}, "2.13").status_code == 400
    body = {"evacuate": {**shared, "adminPass": "secret"}}
    assert message_of(act(lost, body, "2.13")) == "admin password can't be changed on existing disk"
    assert act(lost, {"evacuate": {"onSharedStorage": False}}, "2.14").status_code == 400


def test_a_host_that_is_up_is_not_evacuated(active, other):
    answer = act(active(), {"evacuate": {}})

    assert answer.status_code == 400
    assert message_of(answer) == "Compute service of alpha is still in use."


def test_the_target_is_known_and_another_one(lost):
    answer = act(lost, {"evacuate": {"host": "alpha"}})
    assert answer.status_code == 400
    assert message_of(answer) == "The target host can't be the same one."

    answer = act(lost, {"evacuate": {"host": "nowhere"}})
    assert answer.status_code == 404
    assert message_of(answer) == "Compute host nowhere not found."


@pytest.mark.parametrize(
    ("version", "fields", "is_forced"),
    [
        ("2.28", {}, True),
        ("2.29", {}, False),
        ("2.29", {"force": True}, True),
        ("2.68", {}, False),
    ],
)
def test_whether_the_target_is_forced_depends_on_the_version(lost, version, fields, is_forced):
    assert act(lost, {"evacuate": {"host": "beta", **fields}}, version).status_code == 200

    assert Operation.objects.get(kind="server.evacuate").params["is_forced"] is is_forced


def test_a_second_request_joins_the_first(lost):
    assert act(lost, {"evacuate": {}}).status_code == 200
    assert act(lost, {"evacuate": {}}).status_code == 200

    assert Migration.objects.count() == Operation.objects.count() == 1


def test_only_administrators_evacuate(lost):
    assert act(lost, {"evacuate": {}}, who="manager").status_code == 403
    assert act(lost, {"evacuate": {}}, who="foreign member").status_code == 404

"""Resize, migrate, confirm and revert as clients see them: answers and refusals."""

import pytest

from flavors.models import Flavor
from hypervisors.models import HostState, Hypervisor, StoragePool
from operations.models import Operation
from quotas.models import QuotaLimit, Reservation
from scheduling.models import Allocation
from servers.models import Migration, Server
from servers.states import MigrationStatus, TaskState, VmState
from tests.authorisation import OWN_PROJECT, client_as

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("silent_hosts")]


@pytest.fixture
def server(active, host) -> Server:
    StoragePool.objects.create(hypervisor=host, name="cloudportal", is_default=True)
    return active()


def make_flavor(**fields) -> Flavor:
    known = {
        "flavorid": "9", "name": "m1.big", "vcpus": 2, "ram_mib": 512, "disk_gib": 2,
        "extra_specs": {},
    }  # fmt: skip
    return Flavor.objects.create(**{**known, **fields})


def act(server, name, value=None, version="2.1", who="member"):
    path = f"/compute/v2.1/servers/{server.pk}/action"
    return client_as(who, version).post(path, {name: value})


def resize(server, flavor="9", **fields):
    return act(server, "resize", {"flavorRef": flavor, **fields})


def message(answer):
    [fault] = answer.json().values()
    return fault["message"]


def test_a_resize_begins_with_its_quota_and_a_record(server):
    make_flavor()

    answer = resize(server, **{"OS-DCF:diskConfig": "AUTO"})

    assert (answer.status_code, answer.content) == (202, b"")
    server.refresh_from_db()
    assert (server.status, server.task_state, server.disk_config) == (
        *("RESIZE", TaskState.RESIZE_PREP),
        "AUTO",
    )
    held = dict(Reservation.objects.filter(subject=server.pk).values_list("resource", "amount"))
    assert (held["cores"], held["ram"]) == (2, 512)
    migration = Migration.objects.get()
    assert (migration.type, migration.status, migration.source_name) == (
        *("resize", "pre-migrating"),
        "alpha",
    )
    assert migration.new_flavor["name"] == "m1.big"
    assert Operation.objects.get(kind="server.resize").params["migration"] == migration.pk


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        (None, 400, "Flavor 9 could not be found."),
        ({"is_disabled": True}, 400, "Flavor 9 could not be found."),
        (
            {"disk_gib": 0},
            400,
            "Server disk was unable to be resized because: Resize to zero disk flavor is not "
            "allowed.",
        ),
        ({"ram_mib": 64}, 400, "Flavor's memory is too small for requested image."),
        ({"vcpus": 21}, 403, "Quota exceeded for cores: Requested 20, but already used 1 of 20"),
        (
            {"extra_specs": {"hw:cpu_policy": "sometimes"}},
            400,
            "Invalid CPU policy requested: hw:cpu_policy = 'sometimes' must be one of ",
        ),
    ],
)
def test_a_flavor_that_does_not_fit_is_refused(server, image, fields, status, text):
    image.min_ram_mib = 100
    image.save()
    if fields is not None:
        make_flavor(**fields)

    answer = resize(server)

    assert answer.status_code == status, answer.content
    assert message(answer).startswith(text)
    server.refresh_from_db()
    assert server.task_state is None
    assert not Migration.objects.exists()


def test_the_same_flavor_is_refused(server):
    answer = resize(server, "1")

    assert answer.status_code == 400
    assert message(answer) == "When resizing, instances must change flavor!"


def test_a_resize_does_not_change_secure_boot(server):
    server.image_properties = {"hw_firmware_type": "uefi"}
    server.save()
    make_flavor(extra_specs={"os:secure_boot": "required"})

    answer = resize(server)

    assert answer.status_code == 400
    assert message(answer).startswith("A resize does not change secure boot or the TPM")


@pytest.mark.parametrize("grown", ["disk_gib", "ephemeral_gib"])
def test_a_disk_does_not_shrink(server, grown):
    server.flavor[grown] = 3
    server.save()
    make_flavor()

    answer = resize(server)

    assert answer.status_code == 400
    assert message(answer).endswith("Unable to resize disk down.")


def test_a_smaller_flavor_needs_no_quota(server):
    QuotaLimit.objects.create(project_id=OWN_PROJECT, resource="cores", limit=0)
    make_flavor(vcpus=1, ram_mib=128)

    assert resize(server).status_code == 202
    held = dict(Reservation.objects.filter(subject=server.pk).values_list("resource", "amount"))
    assert (held["cores"], held["ram"]) == (1, 256)


@pytest.mark.parametrize("name", ["resize", "migrate"])
def test_a_server_whose_host_is_away_stays(server, host, name):
    make_flavor()
    Hypervisor.objects.filter(pk=host.pk).update(state=HostState.DOWN)

    answer = resize(server) if name == "resize" else act(server, "migrate", who="manager")

    assert answer.status_code == 409
    assert message(answer) == "Service is unavailable at this time."


@pytest.mark.parametrize(
    ("version", "body", "who", "status"),
    [
        ("2.1", None, "manager", 202),
        ("2.55", {"host": "nowhere"}, "manager", 202),
        ("2.56", {"host": None}, "manager", 202),
        ("2.56", {"host": "beta"}, "manager", 403),
        ("2.56", {"host": "beta"}, "admin", 202),
        ("2.56", {"host": "alpha"}, "admin", 400),
        ("2.56", {"host": "nowhere"}, "admin", 400),
        ("2.56", {"where": "beta"}, "admin", 400),
    ],
)
def test_a_migration_names_its_host_from_2_56_on(server, version, body, who, status):
    Hypervisor.objects.create(name="beta", uri="qemu+ssh://root@beta/system")

    answer = act(server, "migrate", body, version, who)

    assert answer.status_code == status, answer.content
    if status == 202:
        host = "beta" if (body or {}).get("host") == "beta" else ""
        assert Operation.objects.get(kind="server.resize").params["host"] == host
        assert Migration.objects.get().type == "migration"


@pytest.mark.parametrize("name", ["confirmResize", "revertResize"])
def test_without_a_move_there_is_nothing_to_end(server, name):
    assert act(server, name).status_code == 409
    Server.objects.update(vm_state=VmState.RESIZED)

    answer = act(server, name)

    assert answer.status_code == 400
    assert message(answer) == "Instance has not been resized."


@pytest.fixture
def resized(server, host) -> Server:
    beta = Hypervisor.objects.create(
        name="beta", uri="qemu+ssh://root@beta/system", state=HostState.UP
    )
    Migration.objects.create(
        server_id=server.pk, type="resize", status=MigrationStatus.FINISHED, source=beta,
        source_name="beta", destination=host, destination_name="alpha",
        old_flavor=server.flavor, new_flavor=server.flavor,
        before={"vm_state": "active", "flavor": server.flavor, "request_spec": {}},
        user_id="u", project_id=OWN_PROJECT,
    )  # fmt: skip
    Allocation.objects.create(server_id=server.pk, hypervisor=beta, vcpus=1, ram_mib=1, disk_gib=1)
    Server.objects.update(vm_state=VmState.RESIZED)
    server.refresh_from_db()
    return server


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("confirmResize", 204, "server.confirm_resize"),
        ("revertResize", 202, "server.revert_resize"),
    ],
)
def test_a_move_is_ended_one_way_or_the_other(resized, name, status, kind):
    answer = act(resized, name)

    assert (answer.status_code, answer.content) == (status, b"")
    assert Operation.objects.filter(kind=kind, subject=resized.pk).exists()


@pytest.mark.parametrize("name", ["confirmResize", "revertResize"])
def test_a_move_whose_first_host_is_away_cannot_be_ended(resized, name):
    Hypervisor.objects.filter(name="beta").update(state=HostState.DOWN)

    answer = act(resized, name)

    assert answer.status_code == 409
    assert message(answer) == "Service is unavailable at this time."
    # The host may never come back.
    assert act(resized, name, who="admin").status_code == (204 if name[0] == "c" else 409)


def test_a_host_that_a_server_may_go_back_to_is_kept(resized):
    from servers.occupants import release_gone

    release_gone(Hypervisor.objects.get(name="beta").pk)

    assert Allocation.objects.filter(server_id=resized.pk, hypervisor__name="beta").exists()

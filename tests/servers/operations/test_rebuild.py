"""An empty database that was set up gets its servers back from all hosts that answer."""

from __future__ import annotations

import dataclasses
import io
from uuid import uuid4

import pytest
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.db.models import Model
from django.utils import timezone

from cloudportal.contents import ensure_flavors, ensure_shared_network
from hypervisors.libvirt.errors import DriverError
from hypervisors.models import CachedImage, Hypervisor
from identity import bootstrap
from identity.models import Project, RoleAssignment, User
from images.inspect import Inspection
from networks.models import Network, Subnet
from operations.models import Operation
from quotas.models import Reservation
from scheduling.models import Allocation
from servers.create import create_servers
from servers.models import KeyPair, Server, ServerAction
from servers.record_sync import Round, sync_records
from servers.set_up_rows import PROJECT_COLUMNS, USER_COLUMNS, columns_named
from servers.wanted import CreateServers
from tests.authorisation import actor_named
from tests.hypervisors.fake_host import make_hypervisor
from tests.servers.operations.lost import EVERYTHING, lose_everything, rows

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "a new password"


@pytest.fixture(autouse=True)
def _images_are_fine(monkeypatch):
    fine = Inspection("qcow2", 2**29)
    monkeypatch.setattr("servers.restore_image.inspect_file", lambda path, format: fine)


def set_up() -> tuple[User, Project]:
    """What `manage.py setup` makes."""
    bootstrap.ensure_domain_and_roles()
    admin_project = bootstrap.ensure_project("admin", "Administers the cloud.")
    project = bootstrap.ensure_project("demo", "To try things out.")
    admin, _ = bootstrap.ensure_user("admin", PASSWORD, project=admin_project)
    user, _ = bootstrap.ensure_user("demo", PASSWORD, project=project)
    bootstrap.ensure_grant(admin, "admin", admin_project)
    bootstrap.ensure_grant(user, "member", project)
    ensure_flavors(now=timezone.now())
    ensure_shared_network(
        name="default", cidr="10.20.0.0/24", project_id=admin_project.pk, now=timezone.now()
    )
    return user, project


@pytest.fixture
def cloud(hosts, image_file, work):
    """Two hosts, and a server on each that belongs to the set-up's own user and project."""
    user, project = set_up()
    actor = actor_named("member")
    object.__setattr__(actor, "user_id", user.pk)
    object.__setattr__(actor, "project_id", project.pk)
    for name in ("host1", "host2"):
        make_hypervisor(hosts, name)
        Hypervisor.objects.exclude(name=name).update(is_enabled=False)
        wanted = CreateServers(
            name=f"on {name}", flavor_id="1", image_id=image_file.pk, user_data="aGk="
        )
        [server] = create_servers(wanted=wanted, actor=actor, now=timezone.now())
        work(server.pk)
    Hypervisor.objects.update(is_enabled=True)
    sync_records(timezone.now(), Round())
    return hosts


def rebuild(*words: str) -> str:
    said = io.StringIO()
    call_command("rebuild-from-hosts", *words, stdout=said)
    return said.getvalue()


def everything() -> dict:
    kinds: list[type[Model]] = [*EVERYTHING, CachedImage]
    return {kind: sorted(map(str, kind._base_manager.values())) for kind in kinds}


def test_all_servers_come_back_and_belong_to_whom_they_did(cloud):
    kinds = [Server, Project, Network, Subnet, Allocation]
    owner = User.objects.get(name="demo").pk
    before = {kind: rows(kind) for kind in kinds}
    cached = sorted(CachedImage.objects.values_list("volume", "pool__hypervisor__name"))
    lose_everything()
    CachedImage.objects.all().delete()
    user, project = set_up()

    said = rebuild()

    assert "host1: 1 servers restored, 0 were there, 0 guests are not ours, 0 problems" in said
    assert "host2: 1 servers restored" in said
    assert {kind: rows(kind) for kind in kinds} == before
    assert sorted(CachedImage.objects.values_list("volume", "pool__hypervisor__name")) == cached
    # The set-up's people have their old ids, and their new passwords and roles.
    demo = User.objects.get(name="demo")
    assert demo.pk == owner != user.pk
    assert demo.check_password(PASSWORD)
    assert demo.default_project == Project.objects.get(name="demo")
    assert [each.role.name for each in RoleAssignment.objects.filter(user=demo)] == ["member"]
    assert Server.objects.filter(project_id=demo.default_project_id).count() == 2
    assert not Reservation.objects.filter(project_id=project.pk).exists()


def test_a_second_run_changes_nothing(cloud):
    lose_everything()
    set_up()
    rebuild()
    Operation.objects.all().delete()
    before = everything()

    said = rebuild()

    assert "host1: 0 servers restored, 1 were there" in said
    assert everything() == before


def test_a_dry_run_says_it_and_changes_nothing(cloud):
    lose_everything()
    set_up()
    before = everything()

    said = rebuild("--dry-run")

    assert "host1: 1 servers would be restored" in said
    assert everything() == before


def test_guests_are_only_looked_at(cloud):
    lose_everything()
    set_up()
    calls = {name: len(host.calls) for name, host in cloud.items()}

    rebuild()

    asked = {call for name, host in cloud.items() for call in host.calls[calls[name] :]}
    assert asked == {"list_guests", "read_metadata", "get_content", "list_volumes"}


def test_hosts_that_do_not_answer_are_named_and_made_good_later(cloud):
    lose_everything()
    set_up()
    cloud["host2"].is_down = True
    said = io.StringIO()

    with pytest.raises(CommandError, match="1 problems"):
        call_command("rebuild-from-hosts", stdout=said)

    assert "host2: 0 servers restored, 0 were there, 0 guests are not ours, 1 problems" in (
        said.getvalue()
    )
    assert "problem: The server's host does not answer." in said.getvalue()
    assert Server.objects.count() == 1

    cloud["host2"].is_down = False
    assert "host2: 1 servers restored" in rebuild()
    assert Server.objects.count() == 2


def test_named_hosts_only(cloud):
    lose_everything()
    set_up()

    assert "host1" not in rebuild("host2")
    assert Server.objects.get().name == "on host2"


def test_an_unknown_host_is_refused(cloud):
    with pytest.raises(CommandError, match="There is no hypervisor nowhere"):
        rebuild("nowhere", "host1")


def test_foreign_guests_are_counted_and_left_alone(cloud):
    [guest] = cloud["host1"].guests
    cloud["host1"].foreign.add(guest)
    lose_everything()
    set_up()

    assert "host1: 0 servers restored, 0 were there, 1 guests are not ours" in rebuild()


def test_a_guest_with_damaged_metadata_is_named_and_holds_up_no_other(cloud):
    cloud["host1"].fail_on("read_metadata", DriverError("The metadata is damaged."))
    lose_everything()
    set_up()
    said = io.StringIO()

    with pytest.raises(CommandError):
        call_command("rebuild-from-hosts", stdout=said)

    assert "The metadata is damaged." in said.getvalue()
    assert "host2: 1 servers restored" in said.getvalue()


def test_a_server_that_is_not_restored_holds_up_no_other(cloud):
    lose_everything()
    set_up()
    # A server that was deleted in this database, as after the restoring of an old backup.
    [guest] = cloud["host1"].guests
    Server.objects.create(
        id=guest, name="x", project_id="p", user_id="u", hostname="x", flavor={},
        reservation_id="r", deleted_at=timezone.now(),
    )  # fmt: skip
    said = io.StringIO()

    with pytest.raises(CommandError):
        call_command("rebuild-from-hosts", stdout=said)

    assert "was deleted on" in said.getvalue()
    assert "host2: 1 servers restored" in said.getvalue()


def test_user_data_comes_back_from_the_config_drive(cloud):
    lose_everything()
    set_up()

    rebuild()

    assert set(Server.objects.values_list("user_data", flat=True)) == {"aGk="}


def test_a_lost_config_drive_is_a_note(cloud):
    [guest] = cloud["host1"].guests
    cloud["host1"].pools["cloudportal"].volumes.pop(f"{guest}-config")
    lose_everything()
    set_up()

    assert "no user data" in rebuild()
    assert Server.objects.get(pk=guest).user_data is None


def test_a_guest_on_two_hosts_is_the_running_ones(cloud):
    [guest] = cloud["host1"].guests
    cloud["host2"].guests[guest] = cloud["host1"].guests[guest]
    stopped = dataclasses.replace(cloud["host1"].guests[guest], power_state="shutdown")
    cloud["host1"].guests[guest] = stopped
    lose_everything()
    set_up()

    with pytest.raises(CommandError):
        rebuild()

    assert Server.objects.filter(pk=guest, hypervisor__name="host2").exists()


def test_a_database_in_use_keeps_its_ids(cloud):
    lose_everything()
    user, project = set_up()
    ServerAction.objects.create(server_id=uuid4(), action="create", request_id="r", user_id="u",
                                project_id="p")  # fmt: skip

    said = rebuild()

    assert User.objects.filter(pk=user.pk, name="demo").exists()
    assert Project.objects.filter(pk=project.pk, name="demo").exists()
    assert "demo is another one" in said
    assert "overlaps 10.20.0.0/24" in said


def test_all_that_belongs_to_a_user_follows_the_new_id(cloud):
    lose_everything()
    user, _ = set_up()
    KeyPair.objects.create(user_id=user.pk, name="k", public_key="k", fingerprint="f")
    LogEntry.objects.create(
        user=user, action_flag=ADDITION, content_type=ContentType.objects.first()
    )

    rebuild()

    demo = User.objects.get(name="demo")
    assert KeyPair.objects.get().user_id == LogEntry.objects.get().user_id == demo.pk


def test_columns_with_ids_are_found_in_every_app():
    found = {(model.__name__, name) for model, name in columns_named(PROJECT_COLUMNS)}

    assert {("Network", "project_id"), ("Image", "owner"), ("Volume", "project_id")} <= found
    assert not {name for name, _ in found} & {"Server", "ProjectLedger"}
    users = {(model.__name__, name) for model, name in columns_named(USER_COLUMNS)}
    assert ("KeyPair", "user_id") in users

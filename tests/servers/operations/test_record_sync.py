"""What guests know of their servers follows the database, whatever dies or is away meanwhile."""

from __future__ import annotations

import dataclasses

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hypervisors.libvirt.errors import DriverError, HostUnreachable
from hypervisors.models import HostState, Hypervisor
from identity.bootstrap import ensure_domain_and_roles
from identity.models import Project
from networks.models import Network, Port
from operations.enqueue import enqueue
from servers.labels import set_tags
from servers.models import Server
from servers.record_sync import Round, sync_records
from servers.update import update_server
from tests.authorisation import OWN_PROJECT, actor_named

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(one_host, create, work) -> Server:
    """A server that runs, with its guest up to date."""
    made = create()
    work(made.pk)
    assert turn() == 1
    assert turn() == 0
    return Server.objects.get(pk=made.pk)


def turn() -> int:
    return sync_records(timezone.now(), Round())


def known(hosts, server):
    """What the guest knows."""
    return hosts["host1"].guests[server.pk].spec.metadata


def rename(server, name="another") -> None:
    update_server(
        server=server, changes={"name": name}, actor=actor_named("admin"), now=timezone.now()
    )


def test_a_new_server_is_recorded_as_launched(server, hosts):
    record = known(hosts, server)

    assert record.launched_at == server.launched_at
    assert record.updated_at == server.updated_at
    assert [disk.role for disk in record.disks] == ["root", "config"]


def test_changes_of_the_server_reach_its_guest(server, hosts):
    rename(server, "näme")
    set_tags(server=server, tags=["a", "ü"], actor=actor_named("admin"), now=timezone.now())

    assert turn() == 1

    assert known(hosts, server).name == "näme"
    assert known(hosts, server).tags == ("a", "ü")
    assert [disk.role for disk in known(hosts, server).disks] == ["root", "config"]
    assert turn() == 0


def test_names_around_the_server_reach_its_guest(server, hosts):
    ensure_domain_and_roles()
    Project.objects.create(id=OWN_PROJECT, name="blue")
    Port.objects.update(name="left")
    Network.objects.update(name="wire")

    assert turn() == 1

    record = known(hosts, server)
    assert (record.project_name, record.ports[0].name) == ("blue", "left")
    assert record.networks[0].name == "wire"
    assert turn() == 0


def test_nothing_is_written_while_something_is_done_to_the_server(server, hosts):
    rename(server)
    enqueue("server.delete", subject=server.pk, params={}, request_id="", now=timezone.now())

    assert turn() == 0


@pytest.mark.parametrize(
    "state", [{"state": HostState.DOWN}, {"is_forced_down": True}], ids=["down", "forced down"]
)
def test_a_host_that_is_down_is_not_asked(server, hosts, state):
    rename(server)
    Hypervisor.objects.update(**state)
    asked = len(hosts["host1"].calls)

    assert turn() == 0
    assert len(hosts["host1"].calls) == asked


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("write_metadata", HostUnreachable("away")),
        ("write_metadata", DriverError("no")),
        ("read_metadata", HostUnreachable("away")),
    ],
)
def test_what_could_not_be_written_is_written_at_the_next_turn(server, hosts, call, error):
    rename(server)
    hosts["host1"].fail_on(call, error)

    assert turn() == 0
    assert turn() == 1
    assert known(hosts, server).name == "another"


def test_a_turn_that_died_after_its_write_is_made_good_by_the_next(server, hosts, monkeypatch):
    rename(server)
    monkeypatch.setattr("servers.record_sync._note", lambda server, digest: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        turn()
    monkeypatch.undo()

    sync_records(timezone.now(), Round())

    assert known(hosts, server).name == "another"
    assert turn() == 0


def test_a_guest_that_is_gone_holds_up_no_other(server, hosts, create, work):
    other = create(name="other")
    work(other.pk)
    hosts["host1"].guests.pop(server.pk)
    rename(server)

    assert turn() == 1
    assert known(hosts, other).launched_at is not None


def test_damaged_metadata_is_written_anew(server, hosts):
    rename(server)
    hosts["host1"].fail_on("read_metadata", DriverError("damaged"))

    assert turn() == 1
    assert known(hosts, server).name == "another"


def test_a_change_of_the_disks_alone_is_left_to_who_made_them(server, hosts):
    guest = hosts["host1"].guests[server.pk]
    record = dataclasses.replace(guest.spec.metadata, disks=())
    guest.spec = dataclasses.replace(guest.spec, metadata=record)

    assert turn() == 0


def test_a_turn_asks_the_database_as_often_for_many_servers_as_for_one(server, create, work):
    with CaptureQueriesContext(connection) as for_one:
        turn()
    for number in range(3):
        work(create(name=f"more{number}").pk)
    turn()

    with CaptureQueriesContext(connection) as for_four:
        turn()

    assert len(for_four) == len(for_one)


def test_the_walk_goes_through_all_servers_part_by_part(server, create, work, monkeypatch):
    work(create(name="second").pk)
    turn()
    monkeypatch.setattr("servers.record_sync.OTHERS", 1)
    walk = Round()

    seen = [walk.next_part(Server.objects.all()) for _ in range(4)]

    assert [len(part) for part in seen] == [1, 1, 0, 1]
    assert seen[0] == seen[3] != seen[1]

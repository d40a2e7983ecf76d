"""Removing a project with all that it owns: what is told of it, what prevents it, and the work."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from identity.actors import system_actor
from identity.delete import delete_project
from identity.errors import NotYours, StillInUse
from identity.models import Domain, Project
from images.models import Image
from maintenance.belongings import BELONGINGS, OBSTACLES, in_the_way, owned_by
from maintenance.errors import OwnProject, ProjectNotRemovable
from maintenance.operations.remove_project import _REMOVE
from maintenance.remove_project import contents_of, newest_removal, remove_project
from networks.create import NewPort, create_port
from networks.models import FloatingIP, Network, Port, Router
from operations.models import Operation
from quotas.close import CLOSED_FOR, close_account, forget_closed
from quotas.consume import consume
from quotas.errors import ProjectClosed
from quotas.models import ProjectLedger, Reservation
from servers.create import create_servers
from servers.lock import lock_server
from servers.models import Server, ServerAction
from servers.wanted import CreateServers, WantedInterface
from tests.authorisation import OWN_PROJECT, actor_named
from tests.maintenance.conftest import run_everything
from tests.maintenance.possessions import AT_REST, add_snapshot, add_volume, furnish, left_of
from tests.servers.operations.conftest import assert_hosts_clean, wake
from volumes.models import Volume

ADMIN = actor_named("admin")


@pytest.fixture
def doomed(db):
    return furnish()


def remove(project, actor=ADMIN):
    return remove_project(project_id=project.id, actor=actor, now=timezone.now())


def make_server(doomed, flavor, image, **changes):
    own = (WantedInterface(network_id=str(doomed.network.pk)),)
    wanted = CreateServers(
        **{"name": "web", "flavor_id": "1", "image_id": image.pk, "networks": own, **changes}
    )
    return create_servers(wanted=wanted, actor=doomed.actor, now=timezone.now())[0]


def test_every_kind_is_removed_or_goes_with_the_project():
    assert {each.kind for each in BELONGINGS if not each.goes_with} == set(_REMOVE)
    assert {each.kind for each in OBSTACLES} <= set(_REMOVE)


def test_what_it_owns_is_told_in_the_order_of_removal(doomed):
    found = {each.kind: each.count for each in owned_by(doomed.project.id, first=2)}

    assert {kind: count for kind, count in found.items() if kind != "reservations"} == AT_REST
    assert list(found) == [each.kind for each in BELONGINGS if each.kind in found]
    assert in_the_way(doomed.project.id, first=2) == []


def test_it_takes_as_many_queries_for_much_as_for_little(doomed, django_assert_num_queries):
    with CaptureQueriesContext(connection) as before:
        contents_of(project_id=doomed.project.id, actor=ADMIN)
    for number in range(20):
        network = Network.objects.create(name=f"{number}", project_id=doomed.project.id)
        Port.objects.create(
            network=network, project_id=doomed.project.id, mac_address=f"52:54:00:00:00:{number}"
        )

    with django_assert_num_queries(len(before)):
        found = contents_of(project_id=doomed.project.id, actor=ADMIN)

    assert {each.kind: each.count for each in found.owned}["networks"] == 21
    assert max(len(each.first) for each in found.owned) == 10


def test_nothing_is_left_of_it(doomed, flavor, image_file, one_host, hosts):
    server = make_server(doomed, flavor, image_file)
    volume = add_volume(doomed)
    run_everything()
    add_snapshot(doomed, volume)
    run_everything()
    assert Server.objects.get(pk=server.pk).status == "ACTIVE"

    operation = remove(doomed.project)
    run_everything()

    operation.refresh_from_db()
    assert (operation.state, operation.error) == ("done", None)
    assert left_of(doomed.project.id) == []
    assert not Reservation.objects.exclude(project_id=OWN_PROJECT).exists()
    assert Server.objects.get(pk=server.pk).status == "DELETED"
    deleted = ServerAction.objects.get(server_id=server.pk, action="delete")
    assert (deleted.user_id, deleted.request_id) == (ADMIN.user_id, ADMIN.request_id)
    assert_hosts_clean(hosts)
    assert not hosts["host1"].networks


def test_its_turns_are_short_and_say_what_they_wait_for(doomed, flavor, image_file, one_host):
    server = make_server(doomed, flavor, image_file)
    run_everything()

    operation = remove(doomed.project)
    wake(operation)

    operation.refresh_from_db()
    assert (operation.state, operation.lease_until) == ("running", None)
    assert Server.objects.get(pk=server.pk).task_state == "deleting"
    removal = newest_removal(doomed.project.id)
    assert removal is not None
    assert removal.note == "1 servers are still there."
    assert not Project.objects.get(pk=doomed.project.id).enabled


def test_asked_for_twice_it_is_one_removal(doomed):
    first = remove(doomed.project)

    assert remove(doomed.project) == first
    assert Operation.objects.filter(kind="project.remove").count() == 1


def test_what_is_in_the_way_is_told(doomed, parts, active):
    other = active()
    Server.objects.filter(pk=other.pk).update(image_id=Image.objects.get(name="golden").pk)
    server = make_server(doomed, parts["flavor"], parts["image"])
    lock_server(server=server, reason=None, actor=doomed.actor, now=timezone.now())
    Image.objects.filter(name="golden").update(is_protected=True)
    Port.objects.create(network=doomed.network, project_id=OWN_PROJECT, mac_address="52:54:00:1")

    found = {
        (each.kind, each.reason): each.count for each in in_the_way(doomed.project.id, first=3)
    }

    assert found == {
        ("servers", "locked: unlock it"): 1,
        ("images", "protected: unprotect it"): 1,
        ("images", "servers of other projects were made from it"): 1,
        ("networks", "ports of other projects are on it"): 1,
    }
    with pytest.raises(ProjectNotRemovable, match=r"1 servers \(locked: unlock it\): web; 1 im"):
        remove(doomed.project)


@pytest.mark.parametrize("change", ["volume", "router", "port", "group", "way out"])
def test_what_others_need_of_it_is_in_the_way(doomed, active, change):
    theirs = active()
    port = Port.objects.get(device_id=str(theirs.pk))
    mine = doomed.project.id
    if change == "volume":
        volume = add_volume(doomed)
        volume.attachments.create(server_id=theirs.pk, status="attached")
    elif change == "router":
        FloatingIP.objects.filter(project_id=mine).update(
            project_id=OWN_PROJECT,
            router=Router.objects.get(project_id=mine),
            port=port,
            fixed_address="10.1.1.1",
        )
    elif change == "port":
        Port.objects.filter(name="spare").update(device_id=str(theirs.pk))
    elif change == "group":
        port.security_groups.add(port.security_groups.model.objects.get(name="web"))
    else:
        Network.objects.filter(name="outside").update(project_id=mine)
        Router.objects.update(project_id=OWN_PROJECT)

    kinds = {"volume": "volumes", "router": "routers", "port": "ports", "group": "security_groups"}
    assert {each.kind for each in in_the_way(mine, first=1)} >= {kinds.get(change, "networks")}


def test_it_waits_for_what_was_locked_meanwhile(doomed, flavor, image_file, one_host):
    server = make_server(doomed, flavor, image_file)
    run_everything()
    operation = remove(doomed.project)
    lock_server(server=server, reason=None, actor=ADMIN, now=timezone.now())

    wake(operation)

    removal = newest_removal(doomed.project.id)
    assert removal is not None
    assert removal.note == "In the way are 1 servers (locked: unlock it): web."
    Server.objects.filter(pk=server.pk).update(locked_by="")
    run_everything()
    assert left_of(doomed.project.id) == []


def test_one_does_not_remove_the_project_one_acts_in(doomed):
    with pytest.raises(OwnProject):
        remove(doomed.project, actor=doomed.actor)


def test_who_administers_another_domain_may_not(doomed):
    actor = replace(ADMIN, project_id=None, domain_id="elsewhere")

    with pytest.raises(NotYours):
        remove(doomed.project, actor=actor)
    with pytest.raises(NotYours):
        contents_of(project_id=doomed.project.id, actor=actor)
    assert contents_of(project_id=doomed.project.id, actor=replace(actor, domain_id="default"))


def test_the_ordinary_deletion_says_how(doomed):
    with pytest.raises(StillInUse, match=f"{doomed.project.id}/cloudportal:contents"):
        delete_project(project=doomed.project, actor=ADMIN, now=timezone.now())

    # Refused, it may take more as before.
    assert add_volume(doomed)


# The account


def test_a_closed_project_takes_nothing_more(doomed):
    close_account(doomed.project.id, timezone.now())

    with pytest.raises(ProjectClosed):
        add_volume(doomed)
    assert not Volume.objects.exists()


def test_a_closed_ledger_is_forgotten_when_its_project_is_gone_for_long(doomed):
    now = timezone.now()
    close_account(doomed.project.id, now)
    close_account("gone", now)

    assert forget_closed(now) == 0
    assert forget_closed(now + CLOSED_FOR + timedelta(hours=1)) == 1
    assert ProjectLedger.objects.filter(closed_at__isnull=False).count() == 1


@pytest.mark.django_db(transaction=True)
def test_what_is_made_while_it_is_being_closed_is_removed_too():
    """A request that took its quota before the project is closed commits, and is seen."""
    doomed = furnish()
    operation = remove(doomed.project)
    has_taken, may_commit = threading.Event(), threading.Event()

    def make() -> None:
        try:
            with transaction.atomic():
                port = NewPort(network_id=str(doomed.network.pk), name="late")
                create_port(wanted=port, actor=doomed.actor, now=timezone.now())
                has_taken.set()
                may_commit.wait(5)
        finally:
            connection.close()

    def work() -> None:
        try:
            wake(operation)
        finally:
            connection.close()

    threads = [threading.Thread(target=make), threading.Thread(target=work)]
    threads[0].start()
    assert has_taken.wait(5)
    threads[1].start()
    # It cannot close the project under the request's hands.
    threads[1].join(0.3)
    assert threads[1].is_alive()
    may_commit.set()
    for thread in threads:
        thread.join(20)
    run_everything()

    assert left_of(doomed.project.id) == []
    with pytest.raises(ProjectClosed), transaction.atomic():
        consume(
            project_id=doomed.project.id,
            subject=doomed.network.pk,
            amounts={"ports": 1},
            now=timezone.now(),
        )


def test_other_domains_and_projects_stay(doomed):
    Domain.objects.create(id="elsewhere", name="elsewhere")
    Project.objects.create(name="doomed", domain_id="elsewhere")
    remove(doomed.project)

    run_everything()

    assert [each.domain_id for each in Project.objects.filter(name="doomed")] == ["elsewhere"]
    assert Network.objects.filter(name="outside").exists()
    assert system_actor().is_admin

"""Domains that were there before: adopted, refused what is not theirs, and let go as they were."""

from __future__ import annotations

import dataclasses
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from cloudportal.errors import Forbidden
from flavors.models import Flavor
from hypervisors import guests
from hypervisors.errors import GuestNotFound
from hypervisors.libvirt.domain_xml import domain_xml
from identity.models import Domain, Project
from integrity.models import Finding
from integrity.request_repairs import request_repairs
from integrity.sweep import look_at_host
from operations.models import UNFINISHED, Operation, OperationState
from quotas.errors import QuotaExceeded
from quotas.models import QuotaLimit, Reservation
from scheduling.models import Allocation
from scheduling.place import release_server as release_held
from servers.adopt import AdoptWish, adopt_domain, adoptable_domains, release_server
from servers.console import console_output
from servers.delete import delete_server
from servers.errors import CannotAdopt, InvalidServerRequest, InvalidState, ServerAdopted
from servers.lock import lock_server
from servers.models import Adoption, Server, ServerAction
from servers.power import reboot_server, stop_server, suspend_server
from servers.record_sync import Round, sync_records
from servers.resize import resize_server
from servers.restore import restore_server
from servers.states import PowerState, VmState
from tests.authorisation import OWN_PROJECT, actor_named
from tests.servers.operations.conftest import assert_nothing_left

pytestmark = pytest.mark.django_db(transaction=True)
ADMIN = actor_named("admin")


@pytest.fixture
def host(hosts, one_host, flavor):
    domain, _ = Domain.objects.get_or_create(pk="default", defaults={"name": "Default"})
    Project.objects.get_or_create(pk=OWN_PROJECT, defaults={"name": "own", "domain": domain})
    return hosts["host1"]


@pytest.fixture
def adopt(host, one_host):
    def ask(domain, **wish):
        return adopt_domain(
            hypervisor=one_host,
            domain_id=domain,
            wish=AdoptWish(**{"project_id": OWN_PROJECT, **wish}),
            actor=ADMIN,
            now=timezone.now(),
        )

    return ask


@pytest.fixture
def adopted(host, adopt, work):
    def make(**fields) -> Server:
        domain = host.make_foreign(**fields)
        adopt(domain)
        assert work(domain).state == OperationState.DONE
        return Server.objects.get(pk=domain)

    return make


def release(server):
    release_server(server=server, actor=ADMIN, now=timezone.now())


def test_an_adopted_domain_is_a_server_with_quota_and_room_and_its_own_name(host, adopted):
    server = adopted(name="legacy", ram_mib=200)

    assert (server.vm_state, server.task_state) == (VmState.ACTIVE, None)
    assert (server.power_state, server.domain_name) == (PowerState.RUNNING, "legacy")
    used = dict(Reservation.objects.filter(subject=server.pk).values_list("resource", "amount"))
    assert used == {"instances": 1, "cores": 1, "ram": 200}
    held = Allocation.objects.get(server_id=server.pk)
    # Its disk lies in no pool of ours, so it takes no room there.
    assert (held.vcpus, held.ram_mib, held.disk_gib) == (1, 200, 0)
    assert host.guests[server.pk].spec.metadata.adopted_name == "legacy"
    assert "define_guest" not in host.calls


def test_a_released_one_is_as_it_was_and_nothing_of_it_is_left(host, hosts, adopted, work):
    server = adopted()
    before = Adoption.objects.get(server=server).definition

    release(server)

    assert work(server.pk).state == OperationState.DONE
    assert host.guests[server.pk].xml == before
    assert (host.guests[server.pk].power_state, host.foreign) == ("running", {server.pk})
    assert Server.objects.get(pk=server.pk).deleted_at is not None
    action = ServerAction.objects.get(server_id=server.pk, action="release")
    assert [each.result for each in action.events.all()] == ["Success"]
    assert action.message == ""
    del host.guests[server.pk]
    assert_nothing_left(hosts)


def test_a_released_one_can_be_adopted_again(host, adopt, adopted, work):
    server = adopted()
    release(server)
    work(server.pk)

    adopt(server.pk, name="again")
    work(server.pk)

    again = Server.objects.get()
    assert (again.name, again.vm_state, again.deleted_at) == ("again", VmState.ACTIVE, None)


def test_what_was_changed_by_hand_stays_and_is_said(host, adopted, work):
    server = adopted()
    Adoption.objects.update(definition="<domain/>")

    release(server)
    work(server.pk)

    action = ServerAction.objects.get(server_id=server.pk, action="release")
    assert "not kept as it was" in action.message


def test_one_that_is_gone_is_released_and_its_absence_said(host, hosts, adopted, work):
    server = adopted()
    del host.guests[server.pk]

    release(server)
    work(server.pk)

    action = ServerAction.objects.get(server_id=server.pk, action="release")
    assert "gone" in action.message
    assert_nothing_left(hosts)


def test_one_that_comes_back_from_its_host_is_adopted_still(host, hosts, one_host, adopted, work):
    server = adopted(ram_mib=200)
    metadata = host.guests[server.pk].spec.metadata
    info = guests.guest_info(one_host, server.pk)
    assert info is not None
    forget_everything(server)

    restored = restore_server(hypervisor=one_host, metadata=metadata, info=info, now=timezone.now())

    assert (restored.adopted_name, restored.vm_state) == ("legacy", VmState.ACTIVE)
    # Of its own size no flavor was made under the name of the one it was adopted with.
    assert Flavor.objects.get(name="m1.tiny").ram_mib == 256
    release(restored)
    work(restored.pk)
    assert host.foreign == {server.pk}
    del host.guests[server.pk]
    assert_nothing_left(hosts)


def forget_everything(server):
    release_held(server_id=server.pk, hypervisor_id=server.hypervisor_id)
    Reservation.objects.all().delete()
    Server.objects.all().delete()


def test_a_domain_is_adopted_once(host, adopt):
    domain = host.make_foreign()
    adopt(domain)

    with pytest.raises(CannotAdopt, match="There is a server of that id"):
        adopt(domain)
    assert Reservation.objects.filter(resource="instances").count() == 1


@pytest.mark.parametrize(
    ("fields", "words"), [({"is_persistent": False}, "transient"), ({"is_saved": True}, "saved")]
)
def test_what_cannot_be_adopted_says_why(host, one_host, adopt, fields, words):
    domain = host.make_foreign()
    for name, value in fields.items():
        setattr(host.guests[domain], name, value)

    with pytest.raises(CannotAdopt, match=words):
        adopt(domain)
    [shown] = adoptable_domains(hypervisor=one_host, actor=ADMIN)
    assert words in shown.obstacle


def test_neither_a_strange_project_nor_domain_nor_a_small_flavor_will_do(host, adopt, flavor):
    domain = host.make_foreign(vcpus=2)

    with pytest.raises(InvalidServerRequest, match="no project"):
        adopt(domain, project_id="nobody")
    with pytest.raises(GuestNotFound):
        adopt(uuid.uuid4())
    with pytest.raises(InvalidServerRequest, match="too small"):
        adopt(domain, flavor_id=flavor.flavorid)
    assert not Server.objects.exists()


def test_quota_is_heeded(host, adopt):
    QuotaLimit.objects.create(project_id=OWN_PROJECT, resource="cores", limit=1)
    domain = host.make_foreign(vcpus=2)

    with pytest.raises(QuotaExceeded):
        adopt(domain)
    assert not Server.objects.exists()
    assert not Allocation.objects.exists()


def test_the_smallest_flavor_that_is_enough_is_suggested_or_one_is_made(host, one_host, adopted):
    Flavor.objects.create(flavorid="2", name="m1.big", vcpus=4, ram_mib=4096, disk_gib=40)
    Flavor.objects.create(flavorid="3", name="m1.mid", vcpus=2, ram_mib=1024, disk_gib=20)

    server = adopted(vcpus=2, ram_mib=700)
    assert (server.flavor["name"], server.flavor["ram_mib"]) == ("m1.mid", 700)
    larger = adopted(name="larger", vcpus=8, ram_mib=8000)
    assert larger.flavor["name"] == "adopted-8-8000-10"
    assert not Flavor.objects.get(name="adopted-8-8000-10").is_public


def test_what_needs_disks_or_cards_of_ours_is_refused(host, adopted):
    server = adopted()
    calls = list(host.calls)
    who = {"server": server, "actor": ADMIN, "now": timezone.now()}

    with pytest.raises(ServerAdopted, match="release it instead"):
        delete_server(**who)
    with pytest.raises(ServerAdopted, match="was adopted"):
        resize_server(flavor_id="1", disk_config="", **who)
    with pytest.raises(ServerAdopted):
        console_output(server=server, length=None, actor=ADMIN)
    assert host.calls == calls
    assert Server.objects.get().task_state is None


def test_its_power_is_switched_with_its_own_definition(host, adopted, work):
    server = adopted()
    who: dict[str, Any] = {"actor": ADMIN, "now": timezone.now()}

    stop_server(server=server, **who)
    work(server.pk)
    assert host.guests[server.pk].power_state == "shutdown"
    reboot_server(server=Server.objects.get(), hard=True, **who)
    work(server.pk)

    assert host.guests[server.pk].power_state == "running"
    assert "define_guest" not in host.calls


def test_one_whose_host_still_owes_its_mark_is_not_adopted_before_that_is_paid(
    host, adopt, adopted, work
):
    server = adopted()
    host.is_down = True
    release(server)
    work(server.pk)
    host.is_down = False
    # By hand, while the debt waits.
    host.foreign.add(server.pk)

    with pytest.raises(CannotAdopt, match="owes"):
        adopt(server.pk)


def test_a_suspended_one_is_released_and_stays_saved(host, hosts, adopted, work):
    server = adopted()
    suspend_server(server=server, actor=ADMIN, now=timezone.now())
    work(server.pk)

    release(Server.objects.get())

    assert work(server.pk).state == OperationState.DONE
    assert (host.guests[server.pk].is_saved, host.foreign) == (True, {server.pk})
    del host.guests[server.pk]
    assert_nothing_left(hosts)


def test_one_at_work_is_not_released(adopted):
    server = adopted()
    stop_server(server=server, actor=ADMIN, now=timezone.now())

    with pytest.raises(InvalidState, match="powering-off"):
        release(Server.objects.get())


def test_a_locked_one_is_not_released_by_accident(host, adopted):
    server = adopted()
    lock_server(server=server, reason="mine", actor=ADMIN, now=timezone.now())
    member = dataclasses.replace(ADMIN, roles=frozenset({"member"}))

    with pytest.raises(Forbidden):
        release_server(server=Server.objects.get(), actor=member, now=timezone.now())
    assert host.foreign == set()


def test_one_that_was_made_here_is_deleted_not_released(server):
    with pytest.raises(CannotAdopt, match="Delete it instead"):
        release(server)


def test_a_host_that_is_away_owes_the_mark(host, hosts, adopted, work):
    server = adopted()
    host.is_down = True

    release(server)
    work(server.pk)

    assert Server.objects.get().deleted_at is not None
    assert Allocation.objects.exists()
    host.is_down = False
    [debt] = unfinished()
    work(debt.subject)
    assert host.foreign == {server.pk}
    del host.guests[server.pk]
    assert_nothing_left(hosts)


def test_one_that_changed_before_it_was_marked_is_in_error_and_can_be_released(
    host, hosts, adopt, work
):
    domain = host.make_foreign()
    adopt(domain)
    host.guests[domain].is_saved = True

    assert work(domain).state == OperationState.FAILED
    server = Server.objects.get()
    assert (server.vm_state, server.task_state) == (VmState.ERROR, None)
    assert "saved" in server.faults.get().message
    assert host.foreign == {domain}

    release(server)
    work(domain)
    del host.guests[domain]
    assert_nothing_left(hosts)


@pytest.fixture
def findings(one_host):
    """What a sweep of the host finds, when nothing has been going on there for a while."""

    def look(*, with_records: bool = True) -> list[Finding]:
        if with_records:
            sync_records(timezone.now(), Round())
        past = timezone.now() - timedelta(hours=1)
        Operation.objects.update(finished_at=past)
        Server.objects.update(updated_at=past, recorded_at=past)
        look_at_host(one_host, refresh=False)
        return list(Finding.objects.filter(repaired_at=None))

    return look


def test_the_sweep_finds_nothing_wrong_with_an_adopted_one(host, adopted, findings):
    adopted()

    assert [each.summary for each in findings()] == []


def test_the_sweep_leaves_a_released_one_alone(host, adopted, work, findings):
    server = adopted()
    release(server)
    work(server.pk)

    [finding] = findings()
    assert (finding.kind, finding.policy) == ("domain_foreign", "never")


def test_a_mark_that_was_taken_off_by_hand_is_written_again(host, adopted, work, findings):
    server = adopted()
    findings()
    host.unmark(server.pk, "")

    [finding] = findings(with_records=False)
    assert (finding.kind, finding.policy) == ("metadata_changed", "automatic")
    request_repairs([finding], now=timezone.now(), at_once=True)
    assert work(server.pk).state == OperationState.DONE
    assert host.foreign == set()
    assert "define_guest" not in host.calls


def test_one_that_was_undefined_by_hand_is_told_of_and_not_made_again(host, adopted, findings):
    server = adopted()
    del host.guests[server.pk]

    [finding] = findings()
    assert (finding.kind, finding.policy) == ("domain_missing", "never")
    assert "legacy" in finding.summary
    assert request_repairs([finding], now=timezone.now(), at_once=True) == []


def test_a_domain_of_others_whose_mark_is_damaged_is_nobodys_to_remove(host, adopted, findings):
    server = adopted()
    guest = host.guests[server.pk]
    guest.xml = domain_xml(guest.spec).replace("server_id=", "nothing=")
    forget_everything(server)

    [finding] = findings()
    assert (finding.kind, finding.policy) == ("domain_foreign", "never")


def unfinished():
    return list(Operation.objects.filter(state__in=UNFINISHED))

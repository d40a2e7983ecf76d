"""A host that is away keeps nobody waiting; what it owes is done when it is back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from hypervisors.debts import pay_soon
from hypervisors.errors import HypervisorInUse
from hypervisors.libvirt.errors import HostUnreachable
from hypervisors.look import look_at_host
from hypervisors.models import Hypervisor
from hypervisors.register import remove_hypervisor
from operations.models import Operation, OperationState
from scheduling.models import Allocation
from servers.delete import delete_server
from servers.models import Server
from servers.states import VmState
from tests.authorisation import actor_named
from tests.hypervisors.fake_host import make_hypervisor
from tests.servers.operations.conftest import assert_nothing_left

pytestmark = pytest.mark.django_db(transaction=True)


def delete(server: Server) -> None:
    delete_server(server=server, actor=actor_named("member"), now=timezone.now())


def test_a_server_on_a_host_that_is_away_is_deleted_at_once(one_host, hosts, create, work):
    server = create(config_drive=True)
    work(server.pk)
    hosts["host1"].is_down = True

    delete(Server.objects.get(pk=server.pk))
    work(server.pk)

    server.refresh_from_db()
    assert server.vm_state == VmState.DELETED
    # The guest may still run there: its room is not free yet.
    assert Allocation.objects.filter(server_id=server.pk).exists()
    debt = Operation.objects.get(kind="server.cleanup")
    work(debt.subject, wake_ups=3)
    assert len(hosts["host1"].guests) == 1

    hosts["host1"].is_down = False
    work(debt.subject)

    assert Operation.objects.get(pk=debt.pk).state == OperationState.DONE
    assert_nothing_left(hosts)


def test_a_debt_is_paid_as_soon_as_its_host_is_seen_to_be_back(one_host, hosts, create, work):
    server = create()
    work(server.pk)
    hosts["host1"].is_down = True
    delete(Server.objects.get(pk=server.pk))
    work(server.pk)
    debt = Operation.objects.get(kind="server.cleanup")
    later = timezone.now() + timedelta(minutes=1)
    waiting = {"wake_at": later, "is_put_aside": True, "attempt": 9}
    Operation.objects.filter(pk=debt.pk).update(**waiting)
    pay_soon(look_at_host(Hypervisor.objects.get(), timezone.now()))
    assert Operation.objects.get(pk=debt.pk).wake_at == later

    hosts["host1"].is_down = False
    pay_soon(look_at_host(Hypervisor.objects.get(), timezone.now()))

    debt.refresh_from_db()
    assert debt.wake_at <= timezone.now()
    assert debt.attempt == 0
    # Of a host that is up all the time every look would wake what it refuses.
    Operation.objects.filter(pk=debt.pk).update(**waiting)
    pay_soon(look_at_host(Hypervisor.objects.get(), timezone.now()))
    assert Operation.objects.get(pk=debt.pk).wake_at == later


def test_a_build_goes_on_elsewhere_when_its_host_goes_away(one_host, hosts, create, work):
    make_hypervisor(hosts, "host2", ram_mib=1024)
    server = create()
    host = hosts["host1"]
    original = host.define_guest

    def define(spec):
        original(spec)
        host.is_down = True
        raise HostUnreachable("away")

    host.define_guest = define

    work(server.pk)

    server.refresh_from_db()
    assert server.vm_state == VmState.ACTIVE
    assert server.hypervisor.name == "host2"
    build = Operation.objects.get(kind="server.build")
    assert [each["host"] for each in build.rounds] == ["host1"]
    # What it may still use of the host stays claimed until the debt is paid.
    assert Allocation.objects.filter(server_id=server.pk).count() == 2
    debt = Operation.objects.get(kind="server.cleanup")
    host.is_down = False
    work(debt.subject)
    assert host.is_clean()
    assert [each.hypervisor.name for each in Allocation.objects.all()] == ["host2"]


def test_a_delete_cleans_every_host_that_a_build_may_have_touched(one_host, hosts, create, work):
    make_hypervisor(hosts, "host2")
    server = create()
    work(server.pk)
    other = Hypervisor.objects.exclude(servers=server).get()
    # As after a build that died between its claim and its note of it.
    Allocation.objects.create(
        server_id=server.pk, hypervisor=other, vcpus=1, ram_mib=64, disk_gib=0
    )
    Hypervisor.objects.filter(pk=other.pk).update(vcpus_used=1, ram_mib_used=64)

    delete(Server.objects.get(pk=server.pk))
    work(server.pk)
    work(Operation.objects.get(kind="server.cleanup").subject)

    assert_nothing_left(hosts)


def test_a_host_that_will_not_come_back_is_removed_with_its_debts(one_host, hosts, create, work):
    server, kept = create(), create()
    work(server.pk)
    work(kept.pk)
    hosts["host1"].is_down = True
    delete(Server.objects.get(pk=server.pk))
    work(server.pk)
    debt = Operation.objects.get(kind="server.cleanup")
    Hypervisor.objects.update(state="down")
    with pytest.raises(HypervisorInUse):
        remove_hypervisor(hypervisor=one_host)
    assert Allocation.objects.count() == 2

    delete(Server.objects.get(pk=kept.pk))
    work(kept.pk)
    remove_hypervisor(hypervisor=one_host)

    assert not Allocation.objects.exists()
    assert work(debt.subject).state == OperationState.DONE


def test_a_host_that_is_up_is_kept_until_it_has_paid_its_debts(one_host, hosts, create, work):
    server = create()
    work(server.pk)
    hosts["host1"].is_down = True
    delete(Server.objects.get(pk=server.pk))
    work(server.pk)
    Hypervisor.objects.update(state="up")

    with pytest.raises(HypervisorInUse, match="still to be taken off"):
        remove_hypervisor(hypervisor=one_host)


def test_a_host_is_kept_while_servers_are_there_and_not_by_those_that_are_gone(
    one_host, hosts, create, work
):
    server = create()
    work(server.pk)
    with pytest.raises(HypervisorInUse):
        remove_hypervisor(hypervisor=one_host)

    delete(Server.objects.get(pk=server.pk))
    work(server.pk)
    remove_hypervisor(hypervisor=one_host)

    server.refresh_from_db()
    assert server.hypervisor is None

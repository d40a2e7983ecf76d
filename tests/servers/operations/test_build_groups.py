"""Builds of servers that belong to a group: where they go, what they are told, what stays."""

import pytest
from django.utils import timezone

from hypervisors.connections import connected
from hypervisors.libvirt.errors import DriverError
from hypervisors.models import Hypervisor
from operations.enqueue import enqueue
from servers.models import Server, ServerFault, ServerGroup
from servers.record_sync import Round, sync_records
from servers.restore import Found, restore
from servers.states import VmState
from tests.authorisation import OWN_PROJECT, OWNER
from tests.hypervisors.fake_host import make_hypervisor

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def three(hosts):
    for name in ("host1", "host2", "host3"):
        make_hypervisor(hosts, name)
    return hosts


@pytest.fixture
def group():
    return ServerGroup.objects.create(
        name="apart", policy="anti-affinity", project_id=OWN_PROJECT, user_id=OWNER
    )


@pytest.fixture
def member(create, work, group):
    """Build a member of the group to the end."""

    def make():
        server = create(hints={"group": str(group.pk)})
        work(server.pk)
        return Server.objects.get(pk=server.pk)

    return make


def test_members_that_are_kept_apart_are_each_on_a_host_and_one_too_many_is_an_error(three, member):
    servers = [member() for _ in range(4)]

    *built, refused = servers
    assert {server.vm_state for server in built} == {VmState.ACTIVE}
    assert len({server.hypervisor for server in built}) == 3
    assert refused.vm_state == VmState.ERROR
    fault = ServerFault.objects.get(server=refused)
    assert "anti_affinity removed 3" in f"{fault.message} {fault.details}"


def test_a_deleted_member_makes_room(three, member, work):
    servers = [member() for _ in range(3)]
    enqueue("server.delete", subject=servers[0].pk, params={}, request_id="r", now=timezone.now())
    work(servers[0].pk)

    assert member().hypervisor == servers[0].hypervisor


def test_the_next_host_after_a_failed_build_is_one_without_a_member(three, member):
    first = member()
    others = {"host1", "host2", "host3"} - {first.hypervisor.name}
    for name in sorted(others)[:1]:
        three[name].fail_on("define_guest", DriverError("broken"))

    second = member()

    assert second.vm_state == VmState.ACTIVE
    assert second.hypervisor != first.hypervisor


def test_a_server_that_is_brought_back_is_in_its_group_again(three, member, group):
    server = member()
    sync_records(timezone.now(), Round())
    host = Hypervisor.objects.get(pk=server.hypervisor_id)
    with connected(host) as opened:
        found = Found(host, opened.read_metadata(server.pk), opened.guest_info(server.pk))
    Server.objects.filter(pk=server.pk).delete()

    restore(found, now=timezone.now())

    assert list(group.members.values_list("pk", flat=True)) == [server.pk]

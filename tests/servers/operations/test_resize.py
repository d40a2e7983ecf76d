"""Resizes and cold migrations, as rows and on the hosts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from flavors.models import Flavor
from hypervisors.libvirt.errors import DriverError
from hypervisors.models import Hypervisor
from networks.models import Port
from operations.models import UNFINISHED, Operation, OperationState
from quotas.models import Reservation
from scheduling.models import Allocation
from servers.delete import delete_server
from servers.models import Migration, Server, ServerAction
from servers.power import stop_server
from servers.resize import (
    confirm_old_resizes,
    confirm_resize,
    migrate_server,
    resize_server,
    revert_resize,
)
from servers.states import PowerState, VmState
from tests.authorisation import actor_named
from tests.hypervisors.fake_host import make_hypervisor
from tests.servers.operations.conftest import assert_nothing_left

pytestmark = pytest.mark.django_db(transaction=True)

GIB = 1024**3


@pytest.fixture
def big(flavor) -> Flavor:
    return Flavor.objects.create(
        flavorid="9", name="m1.big", vcpus=2, ram_mib=512, disk_gib=flavor.disk_gib + 1,
        ephemeral_gib=1, swap_mib=64, extra_specs={},
    )  # fmt: skip


@pytest.fixture
def two_hosts(hosts, server):
    return make_hypervisor(hosts, "host2")


@pytest.fixture
def ask(server, work):
    """Ask for a change and have it done, as a manager."""

    def change(use_case, *, role: str = "manager", **options) -> Server:
        server.refresh_from_db()
        use_case(server=server, actor=actor_named(role), now=timezone.now(), **options)
        work(server.pk)
        server.refresh_from_db()
        return server

    return change


@pytest.fixture
def pay(work):
    """Do what is owed on hosts."""

    def settle() -> None:
        for subject in Operation.objects.filter(state__in=UNFINISHED).values_list("subject"):
            work(subject[0])

    return settle


def held(server: Server) -> dict[str, tuple[int, int, int]]:
    rows = Allocation.objects.filter(server_id=server.pk).select_related("hypervisor")
    return {each.hypervisor.name: (each.vcpus, each.ram_mib, each.disk_gib) for each in rows}


def quota(server: Server) -> dict[str, int]:
    return dict(Reservation.objects.filter(subject=server.pk).values_list("resource", "amount"))


def volumes(hosts, name: str, server: Server) -> set[str]:
    [pool] = hosts[name].pools.values()
    return {each.removeprefix(str(server.pk)) for each in pool.volumes if each[:5] != "base-"}


def write(hosts, name: str, server: Server, content: bytes) -> None:
    [pool] = hosts[name].pools.values()
    pool.volumes[f"{server.pk}-root"].content = content


def read(hosts, name: str, server: Server) -> bytes:
    [pool] = hosts[name].pools.values()
    return pool.volumes[f"{server.pk}-root"].content


def test_a_resized_server_runs_elsewhere_with_its_disk_and_keeps_the_old_one(
    hosts, server, two_hosts, ask, big
):
    write(hosts, "host1", server, b"marker")

    ask(resize_server, flavor_id="9", disk_config="")

    assert (server.vm_state, server.task_state) == (VmState.RESIZED, None)
    assert (server.hypervisor.name, server.flavor["name"]) == ("host2", "m1.big")
    assert read(hosts, "host2", server) == b"marker"
    root = hosts["host2"].pools["cloudportal"].volumes[f"{server.pk}-root"]
    assert root.capacity == big.disk_gib * GIB
    assert root.backing.startswith("base-")
    assert volumes(hosts, "host2", server) == {
        "-root", "-ephemeral0", "-swap", "-config", "_console.log"
    }  # fmt: skip
    assert hosts["host2"].guests[server.pk].power_state == "running"
    assert hosts["host2"].guests[server.pk].spec.ram_mib == 512
    assert hosts["host1"].guests[server.pk].power_state == "shutdown"
    assert held(server) == {"host1": (1, 256, 1), "host2": (2, 512, 4)}
    assert quota(server) == {"instances": 1, "cores": 2, "ram": 512}
    migration = Migration.objects.get()
    assert (migration.type, migration.status) == ("resize", "finished")
    assert (migration.source_name, migration.destination_name) == ("host1", "host2")
    action = ServerAction.objects.get(server_id=server.pk, action="resize")
    assert [(each.event, each.host, each.result) for each in action.events.all()] == [
        ("conductor_migrate_server", "", "Success"),
        ("cold_migrate", "", "Success"),
        ("compute_prep_resize", "host2", "Success"),
        ("compute_resize_instance", "host1", "Success"),
        ("compute_finish_resize", "host2", "Success"),
    ]


def test_a_confirmed_resize_leaves_nothing_on_the_source(hosts, server, two_hosts, ask, big):
    ask(resize_server, flavor_id="9", disk_config="")

    ask(confirm_resize)

    assert server.vm_state == VmState.ACTIVE
    assert held(server) == {"host2": (2, 512, 4)}
    assert quota(server) == {"instances": 1, "cores": 2, "ram": 512}
    assert hosts["host1"].is_clean()
    assert Migration.objects.get().status == "confirmed"


def test_a_reverted_resize_is_as_it_was(hosts, server, two_hosts, ask, big, pay):
    write(hosts, "host1", server, b"marker")
    ask(resize_server, flavor_id="9", disk_config="")
    write(hosts, "host2", server, b"written later")

    ask(revert_resize)
    pay()

    assert (server.vm_state, server.hypervisor.name) == (VmState.ACTIVE, "host1")
    assert (server.flavor["name"], server.power_state) == ("m1.tiny", PowerState.RUNNING)
    assert read(hosts, "host1", server) == b"marker"
    assert hosts["host1"].guests[server.pk].power_state == "running"
    assert hosts["host1"].guests[server.pk].spec.ram_mib == 256
    assert held(server) == {"host1": (1, 256, 1)}
    assert quota(server) == {"instances": 1, "cores": 1, "ram": 256}
    assert hosts["host2"].is_clean()
    assert Migration.objects.get().status == "reverted"


@pytest.mark.parametrize("confirmed", [True, False], ids=["confirmed", "reverted"])
def test_where_there_is_no_other_host_it_stays_and_holds_both_sizes(
    hosts, server, ask, big, confirmed
):
    write(hosts, "host1", server, b"marker")

    ask(resize_server, flavor_id="9", disk_config="")

    assert (server.vm_state, server.hypervisor.name) == (VmState.RESIZED, "host1")
    assert held(server) == {"host1": (2, 512, 5)}
    assert "-before-root" in volumes(hosts, "host1", server)
    write(hosts, "host1", server, b"written later")

    ask(confirm_resize if confirmed else revert_resize)

    assert server.vm_state == VmState.ACTIVE
    assert held(server) == {"host1": (2, 512, 4) if confirmed else (1, 256, 1)}
    assert read(hosts, "host1", server) == (b"written later" if confirmed else b"marker")
    guest = hosts["host1"].guests[server.pk]
    assert (guest.power_state, guest.spec.vcpus) == ("running", 2 if confirmed else 1)
    more = {"-ephemeral0", "-swap"} if confirmed else set()
    assert volumes(hosts, "host1", server) == {"-root", "-config", "_console.log", *more}
    host = Hypervisor.objects.get(name="host1")
    assert host.vcpus_used == (2 if confirmed else 1)


def test_a_stopped_server_stays_off_through_it_all(hosts, server, two_hosts, ask, big):
    ask(stop_server)

    ask(resize_server, flavor_id="9", disk_config="")
    assert (server.vm_state, server.power_state) == (VmState.RESIZED, PowerState.SHUTDOWN)
    ask(confirm_resize)

    assert server.vm_state == VmState.STOPPED
    assert hosts["host2"].guests[server.pk].power_state == "shutdown"
    # It may be started later on.
    [network] = hosts["host2"].networks.values()
    assert len(network.entries) == 1
    assert [port.host for port in Port.objects.all()] == ["host2"]


def test_a_cold_migration_goes_to_the_host_that_is_named(hosts, server, two_hosts, ask):
    make_hypervisor(hosts, "host3")

    ask(migrate_server, host="host3", role="admin")

    assert (server.vm_state, server.hypervisor.name) == (VmState.RESIZED, "host3")
    assert Migration.objects.get().type == "migration"


def test_a_cold_migration_without_a_host_to_go_to_changes_nothing(hosts, server, ask):
    ask(migrate_server, host="")

    assert (server.vm_state, server.task_state) == (VmState.ACTIVE, None)
    assert hosts["host1"].guests[server.pk].power_state == "running"
    assert Migration.objects.get().status == "error"
    assert held(server) == {"host1": (1, 256, 1)}
    action = ServerAction.objects.get(server_id=server.pk, action="migrate")
    assert action.message == "Error"
    assert "No valid host was found." in action.events.latest("id").details


@pytest.mark.parametrize("call", ["take_disk", "define_guest", "start_guest", "ensure_filter"])
def test_a_resize_that_fails_runs_on_where_it_was(hosts, server, two_hosts, ask, big, pay, call):
    hosts["host2"].refuse(call, DriverError("odd"), after=True)

    ask(resize_server, flavor_id="9", disk_config="")
    hosts["host2"].heal()
    pay()

    assert (server.vm_state, server.task_state) == (VmState.ACTIVE, None)
    assert (server.hypervisor.name, server.flavor["name"]) == ("host1", "m1.tiny")
    assert hosts["host1"].guests[server.pk].power_state == "running"
    assert held(server) == {"host1": (1, 256, 1)}
    assert quota(server) == {"instances": 1, "cores": 1, "ram": 256}
    assert hosts["host2"].is_clean()
    assert server.faults.count() == 1


def test_a_destination_that_goes_away_leaves_a_debt_there(hosts, server, two_hosts, ask, big, pay):
    hosts["host2"].refuse("start_guest", DriverError("odd"), after=True)
    hosts["host2"].refuse("remove_guest", DriverError("odd"))

    ask(resize_server, flavor_id="9", disk_config="")

    assert server.vm_state == VmState.ACTIVE
    assert hosts["host1"].guests[server.pk].power_state == "running"
    assert set(held(server)) == {"host1", "host2"}
    hosts["host2"].heal()
    pay()
    assert held(server) == {"host1": (1, 256, 1)}
    assert hosts["host2"].is_clean()


def test_the_image_may_be_gone_meanwhile(hosts, server, two_hosts, ask, big, image_file):
    image_file.status = "deleted"
    image_file.save()
    [base] = [each for each in hosts["host1"].pools["cloudportal"].volumes if each[:5] == "base-"
              and not each.endswith("verified")]  # fmt: skip

    ask(resize_server, flavor_id="9", disk_config="")

    assert server.vm_state == VmState.RESIZED
    assert base in hosts["host2"].pools["cloudportal"].volumes


def test_deleting_a_resized_server_clears_both_hosts(hosts, server, two_hosts, ask, big, pay):
    ask(resize_server, flavor_id="9", disk_config="")

    ask(delete_server)
    pay()

    assert_nothing_left(hosts)
    assert Migration.objects.get().status == "confirmed"


def test_deleting_one_that_was_resized_in_place_leaves_nothing(hosts, server, ask, big):
    ask(resize_server, flavor_id="9", disk_config="")

    ask(delete_server)

    assert_nothing_left(hosts)


def test_a_source_that_is_away_at_the_confirmation_becomes_a_debt(
    hosts, server, two_hosts, ask, big, pay
):
    ask(resize_server, flavor_id="9", disk_config="")
    hosts["host1"].be_down()

    ask(confirm_resize)

    assert server.vm_state == VmState.ACTIVE
    assert set(held(server)) == {"host1", "host2"}
    hosts["host1"].be_down(False)
    pay()
    assert held(server) == {"host2": (2, 512, 4)}
    assert hosts["host1"].is_clean()


def test_a_revert_that_cannot_reach_the_guest_leaves_it_resized(hosts, server, two_hosts, ask, big):
    ask(resize_server, flavor_id="9", disk_config="")
    hosts["host2"].be_down()

    ask(revert_resize)

    assert (server.vm_state, server.task_state) == (VmState.RESIZED, None)
    assert Migration.objects.get().status == "finished"
    hosts["host2"].be_down(False)
    ask(revert_resize)
    assert server.vm_state == VmState.ACTIVE


def test_what_waits_longer_than_the_window_is_confirmed(
    hosts, server, two_hosts, ask, big, settings, work
):
    ask(resize_server, flavor_id="9", disk_config="")
    now = timezone.now()

    assert confirm_old_resizes(now + timedelta(days=9)) == 0
    settings.RESIZE_CONFIRM_WINDOW_S = 60
    assert confirm_old_resizes(now + timedelta(seconds=50)) == 0
    assert confirm_old_resizes(now + timedelta(seconds=70)) == 1

    assert work(server.pk).state == OperationState.DONE
    server.refresh_from_db()
    assert server.vm_state == VmState.ACTIVE

"""Filters, weighers and the reasons given."""

import uuid

import pytest

from hypervisors.models import Aggregate, CachedImage, HostState, PhysicalNetwork, StoragePool
from networks.models import Network, Port
from scheduling.choose import choose_hosts
from scheduling.models import Allocation
from scheduling.network_needs import with_networks
from scheduling.request_spec import Booking, RequestSpec
from tests.scheduling.hosts import make_host

pytestmark = pytest.mark.django_db


def spec(**fields) -> RequestSpec:
    return RequestSpec(**{"vcpus": 1, "ram_mib": 512, "disk_gib": 1, **fields})


def names(choice) -> list[str]:
    return [each.host for each in choice.candidates]


def removed(choice) -> dict[str, int]:
    return {each["name"]: each["removed"] for each in choice.filters if each["removed"]}


@pytest.mark.parametrize(
    "fields",
    [
        {"state": HostState.DOWN},
        {"state": HostState.UNKNOWN},
        {"is_enabled": False},
        {"in_maintenance": True},
    ],
)
def test_only_hosts_that_are_ready_are_chosen(fields):
    make_host(**fields)

    choice = choose_hosts(spec(), without=[])

    assert names(choice) == []
    assert removed(choice) == {"ready": 1}


@pytest.mark.parametrize(
    ("fields", "wanted", "reason"),
    [
        ({"vcpus": 2, "vcpus_used": 1}, {"vcpus": 2}, "cpu"),
        ({"vcpus": 2, "reserved_vcpus": 1}, {"vcpus": 2}, "cpu"),
        ({"ram_mib": 1024, "reserved_ram_mib": 1}, {"ram_mib": 1024}, "ram"),
        ({"ram_mib": 1024, "ram_ratio": 0.5}, {"ram_mib": 513}, "ram"),
        ({"disk_gib": 10, "disk_gib_used": 9}, {"disk_gib": 2}, "disk"),
    ],
)
def test_a_host_without_room_is_removed_by_the_resource_that_lacks(fields, wanted, reason):
    make_host(**fields)

    assert removed(choose_hosts(spec(**wanted), without=[])) == {reason: 1}


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"vcpus": 2, "vcpus_used": 1}, {"vcpus": 1}),
        ({"vcpus": 2, "cpu_ratio": 4.0, "vcpus_used": 7}, {"vcpus": 1}),
        ({"ram_mib": 1024}, {"ram_mib": 1024}),
        ({"disk_gib": 10, "disk_gib_used": 9}, {"disk_gib": 1}),
    ],
)
def test_the_last_room_is_given(fields, wanted):
    host = make_host(**fields)

    assert names(choose_hosts(spec(**wanted), without=[])) == [host.name]


def test_a_zone_is_an_aggregate_and_other_hosts_are_in_the_default_zone():
    inside, outside = make_host(), make_host()
    zone = Aggregate.objects.create(name="a", availability_zone="north")
    zone.hypervisors.add(inside)
    Aggregate.objects.create(name="fast").hypervisors.add(outside)

    assert names(choose_hosts(spec(zone="north"), without=[])) == [inside.name]
    assert names(choose_hosts(spec(zone="nova"), without=[])) == [outside.name]
    assert set(names(choose_hosts(spec(), without=[]))) == {inside.name, outside.name}
    assert removed(choose_hosts(spec(zone="south"), without=[])) == {"zone": 2}


def test_architecture_virt_type_and_firmware_of_the_image_are_honoured():
    plain = make_host(domain_type="qemu")
    arm = make_host(arch="aarch64")
    uefi = make_host(capabilities={"has_uefi": True})

    assert names(choose_hosts(spec(arch="aarch64"), without=[])) == [arm.name]
    assert names(choose_hosts(spec(virt_type="qemu"), without=[])) == [plain.name]
    assert names(choose_hosts(spec(firmware="uefi"), without=[])) == [uefi.name]


def test_secure_boot_needs_a_host_with_firmware_for_it():
    make_host(capabilities={"has_uefi": True})
    make_host(capabilities={"has_uefi": True, "has_secure_boot": False})
    secure = spec(firmware="uefi", secure_boot=True)

    assert removed(choose_hosts(secure, without=[])) == {"secure_boot": 2}

    able = make_host(capabilities={"has_uefi": True, "has_secure_boot": True})
    assert names(choose_hosts(secure, without=[])) == [able.name]


def test_a_tpm_is_the_hosts_to_emulate():
    make_host(capabilities={})
    make_host(capabilities={"tpms": []})
    make_host(capabilities={"tpms": ["tpm-tis:1.2", "tpm-tis:2.0"]})
    wanted = spec(tpm="tpm-crb:2.0")

    assert removed(choose_hosts(wanted, without=[])) == {"tpm": 3}

    able = make_host(capabilities={"tpms": ["tpm-crb:2.0", "tpm-tis:2.0"]})
    assert names(choose_hosts(wanted, without=[])) == [able.name]


def test_hints_put_servers_together_and_apart():
    here, there = make_host(), make_host()
    server = uuid.uuid4()
    Allocation.objects.create(server_id=server, hypervisor=here, vcpus=1, ram_mib=1, disk_gib=1)

    assert names(choose_hosts(spec(same_host=[str(server)]), without=[])) == [here.name]
    assert names(choose_hosts(spec(different_host=[str(server)]), without=[])) == [there.name]


def test_a_named_host_must_pass_the_filters_and_a_forced_one_need_not():
    busy, idle = make_host(is_enabled=False), make_host()

    assert names(choose_hosts(spec(wanted_host=idle.name), without=[])) == [idle.name]
    assert names(choose_hosts(spec(wanted_host=busy.name), without=[])) == []
    assert names(choose_hosts(spec(host=busy.name), without=[])) == [busy.name]


def test_hosts_tried_before_are_left_out():
    first, second = make_host(), make_host()

    assert names(choose_hosts(spec(), without=[first.name])) == [second.name]


def test_more_free_room_weighs_more():
    full = make_host(ram_mib_used=4096)
    empty = make_host()

    choice = choose_hosts(spec(), without=[])

    assert names(choice) == [empty.name, full.name]
    assert choice.candidates[0].weights["ram"] == 1.0
    assert choice.candidates[1].weights["ram"] == 0.0


def test_a_small_difference_outweighs_a_cached_image_so_that_servers_spread():
    used, fresh = make_host(ram_mib_used=256), make_host()
    image = uuid.uuid4()
    pool = StoragePool.objects.create(hypervisor=used, name="cloudportal")
    CachedImage.objects.create(pool=pool, image_id=image, volume="base", is_ready=True)

    assert names(choose_hosts(spec(image_id=str(image)), without=[])) == [fresh.name, used.name]


def test_a_cached_image_decides_between_equals_only():
    make_host()
    cached = make_host()
    image = uuid.uuid4()
    pool = StoragePool.objects.create(hypervisor=cached, name="cloudportal")
    CachedImage.objects.create(pool=pool, image_id=image, volume="base", is_ready=True)
    roomy = make_host(ram_mib=32768)

    assert names(choose_hosts(spec(image_id=str(image)), without=[roomy.name]))[0] == cached.name
    assert names(choose_hosts(spec(image_id=str(image)), without=[]))[0] == roomy.name


def test_failed_builds_make_a_host_unattractive():
    failing, sound = make_host(build_failures=3), make_host(ram_mib_used=1024)

    assert names(choose_hosts(spec(), without=[])) == [sound.name, failing.name]


def test_the_refusal_says_which_filter_removed_how_many_and_which_hosts():
    down = make_host(state=HostState.DOWN)
    make_host(vcpus=1)
    make_host(vcpus=1)

    choice = choose_hosts(spec(vcpus=2), without=[])

    assert choice.refusal() == (
        "No valid host was found. Of 3 hosts: ready removed 1, cpu removed 2."
    )
    ready = choice.filters[0]
    assert (ready["hosts"], ready["left"]) == ([down.name], 2)


def test_without_hypervisors_the_refusal_says_so():
    assert "There is no hypervisor left" in choose_hosts(spec(), without=[]).refusal()


def test_the_number_of_queries_does_not_grow_with_the_hosts(django_assert_num_queries):
    for _ in range(3):
        make_host()
    with django_assert_num_queries(4):
        choose_hosts(spec(), without=[])
    for _ in range(60):
        make_host()

    with django_assert_num_queries(4):
        choice = choose_hosts(spec(), without=[])

    assert len(choice.candidates) == 10


def test_a_server_goes_where_its_physical_networks_are():
    both, one, _ = (make_host() for _ in range(3))
    for host, network in ((both, "rack"), (both, "office"), (one, "rack")):
        PhysicalNetwork.objects.create(hypervisor=host, name=network, interface="eno1")

    choice = choose_hosts(spec(physical_networks=("office", "rack")), without=[])

    assert names(choice) == [both.name]
    assert removed(choice) == {"physical_network": 2}
    forced = choose_hosts(spec(physical_networks=("office",), host=one.name), without=[])
    assert removed(forced) == {"physical_network": 1}


def test_tunnels_need_a_host_that_others_reach():
    near = make_host(host_ip="10.0.0.1")
    told = make_host(host_ip="127.0.0.1", tunnel_address="10.0.0.2")
    make_host(host_ip="127.0.0.1")
    make_host()

    choice = choose_hosts(spec(has_tunnels=True), without=[])

    assert set(names(choice)) == {near.name, told.name}
    assert removed(choice) == {"tunnels": 2}


def test_what_a_servers_networks_ask_is_looked_up_anew():
    server_id = uuid.uuid4()
    rack = Network.objects.create(project_id="p", type="vlan", physical_network="rack", segment=5)
    tunnel = Network.objects.create(project_id="p", type="vxlan", segment=5)
    plain = Network.objects.create(project_id="p")
    for number, network in enumerate((rack, plain)):
        Port.objects.create(
            network=network, project_id="p", mac_address=str(number), device_id=str(server_id)
        )

    first = with_networks(spec(), server_id)
    assert (first.physical_networks, first.has_tunnels) == (("rack",), False)
    Port.objects.filter(network=rack).update(network=tunnel)
    second = with_networks(first, server_id)
    assert (second.physical_networks, second.has_tunnels) == ((), True)
    assert not {"physical_networks", "has_tunnels"} & set(second.to_json())


@pytest.mark.parametrize(
    ("booking", "name"),
    [
        (Booking(vcpus=32), "cpu"),
        (Booking(ram_mib=16384), "ram"),
        (Booking(disk_gib=100), "disk"),
    ],
)
def test_what_a_plan_books_of_a_host_counts_as_taken_there(booking, name):
    full, other = make_host(vcpus=8, ram_mib=16384, disk_gib=100), make_host()

    choice = choose_hosts(spec(booked={full.pk: booking}), without=[])

    assert names(choice) == [other.name]
    assert removed(choice) == {name: 1}


def test_what_a_plan_books_weighs_as_if_it_were_claimed():
    first, second = make_host(name="a"), make_host(name="b")
    assert names(choose_hosts(spec(), without=[])) == [first.name, second.name]

    choice = choose_hosts(spec(booked={first.pk: Booking(1, 512, 1)}), without=[])

    assert names(choice) == [second.name, first.name]


def test_bookings_are_not_kept_with_the_request():
    assert "booked" not in spec(booked={1: Booking(1, 512, 1)}).to_json()

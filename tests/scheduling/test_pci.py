"""Devices are claimed with the rest of what a server takes, each by one server alone."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connections, transaction
from django.utils import timezone

from scheduling.devices import check_aliases
from scheduling.errors import NoValidHost, PciAliasUnknown
from scheduling.filters.pci_fit import DeviceRoom, fit_pci, pci_obstacle
from scheduling.models import Allocation, Decision, PciAlias, PciClaim
from scheduling.place import hold_server, place_server, release_server
from scheduling.request_spec import Booking, RequestSpec
from scheduling.stay import hold_just, stay_on_host
from tests.scheduling.devices import GPUS, TWINS, give_devices, name_devices
from tests.scheduling.hosts import make_host

RACERS = 6
NONE = frozenset[str]()


@pytest.fixture(autouse=True)
def aliases(db) -> None:
    name_devices()


def spec(request: str, **fields) -> RequestSpec:
    return RequestSpec(**{"vcpus": 1, "ram_mib": 64, "disk_gib": 1, "pci": request, **fields})


def place(asked: RequestSpec, server: uuid.UUID | None = None, **fields) -> Allocation:
    return place_server(
        server_id=server or uuid.uuid4(),
        spec=asked,
        operation_id=uuid.uuid4(),
        request_id="req-1",
        now=timezone.now(),
        **{"without": [], **fields},
    )


def addresses(*allocations: Allocation) -> list[str]:
    rows = PciClaim.objects.filter(allocation__in=allocations).order_by("pk")
    return list(rows.values_list("address", flat=True))


@pytest.mark.parametrize(
    ("request_", "taken", "found"),
    [
        ("gpu:2", NONE, ("0000:81:00.0", "0000:82:00.0")),
        ("gpu:3", NONE, None),
        # The one that only `first` can have is left to it.
        ("gpu:1,first:1", NONE, ("0000:82:00.0", "0000:81:00.0")),
        ("gpu:2,first:1", NONE, None),
        ("nic:2", NONE, ("0000:3b:02.0", "0000:3b:02.1")),
        # It shares its group with another guest's.
        ("nic:1", frozenset({"0000:3b:02.1"}), None),
        ("gpu:1", frozenset({"0000:81:00.0"}), ("0000:82:00.0",)),
        ("tpu:1", NONE, None),
    ],
)
def test_a_request_is_answered_whole_or_not_at_all(request_, taken, found):
    named = {alias.name: alias for alias in PciAlias.objects.all()}

    assert fit_pci(request_, named, DeviceRoom((*GPUS, *TWINS), taken)) == found


@pytest.mark.parametrize(
    ("request_", "taken", "words"),
    [
        ("tpu:1", NONE, "PCI alias tpu is not defined."),
        (
            "nic:1",
            frozenset({"0000:3b:02.0"}),
            "It has no free device of alias nic: 1 asked for, 2",
        ),
        ("gpu:3", NONE, "It has 2 free of alias gpu: 3 asked for, 2 there."),
        ("gpu:2,first:1", NONE, "Its free devices are too few for all aliases together."),
    ],
)
def test_a_host_says_what_it_has_too_few_of(request_, taken, words):
    named = {alias.name: alias for alias in PciAlias.objects.all()}

    assert words in pci_obstacle(request_, named, DeviceRoom((*GPUS, *TWINS), taken))


def test_a_server_goes_to_the_host_that_has_the_devices():
    make_host(vcpus=64, ram_mib=65536)
    here = give_devices(make_host())

    allocation = place(spec("nic:1,gpu:1"))

    assert allocation.hypervisor == here
    assert addresses(allocation) == ["0000:3b:02.0", "0000:81:00.0"]


def test_a_refusal_names_the_filter_and_why_each_host_does_not_pass():
    plain, full = make_host(), give_devices(make_host())
    place(spec("gpu:2"))

    with pytest.raises(NoValidHost, match="pci_passthrough removed 2"):
        place(spec("gpu:1"))

    filters = Decision.objects.latest("created_at").filters
    [asked] = [each for each in filters if each["name"] == "pci_passthrough"]
    assert asked["reasons"] == {
        plain.name: "It has no device of alias gpu.",
        full.name: "It has no free device of alias gpu: 1 asked for, 2 there.",
    }


def test_a_forced_host_is_asked_for_its_devices_too():
    plain = make_host()
    give_devices(make_host())

    with pytest.raises(NoValidHost, match="pci_passthrough removed 1"):
        place(spec("gpu:1", host=plain.name))


def test_devices_that_a_plan_gives_to_others_are_taken():
    host = give_devices(make_host())
    booked = {host.pk: Booking(pci=("0000:81:00.0",))}

    assert addresses(place(spec("gpu:1", booked=booked))) == ["0000:82:00.0"]
    with pytest.raises(NoValidHost):
        place(spec("gpu:1", booked=booked))


def test_what_a_server_held_is_free_for_the_next_one():
    give_devices(make_host())
    server = uuid.uuid4()
    place(spec("gpu:2"), server)

    release_server(server_id=server)

    assert not PciClaim.objects.exists()
    assert len(addresses(place(spec("gpu:2")))) == 2


def test_a_server_that_asks_for_none_makes_no_question_of_it():
    give_devices(make_host())

    assert addresses(place(spec(""))) == []
    assert [each["name"] for each in Decision.objects.get().filters].count("pci_passthrough") == 0


def test_no_device_is_claimed_twice_whoever_writes_it_down():
    give_devices(make_host())
    one, two = place(spec("gpu:1")), place(spec(""))

    with pytest.raises(IntegrityError), transaction.atomic():
        PciClaim.objects.create(
            allocation=two, hypervisor=two.hypervisor, address=addresses(one)[0], request="gpu:1"
        )


def test_what_a_guest_already_has_is_written_down_as_it_is_but_for_what_another_has():
    host = give_devices(make_host())
    other = place(spec("first:1"))
    server = uuid.uuid4()

    for _ in range(2):
        hold_server(
            server_id=server, hypervisor_id=host.pk, spec=spec("gpu:2"), now=timezone.now(),
            pci=("0000:81:00.0", "0000:82:00.0"),
        )  # fmt: skip

    assert addresses(other) == ["0000:81:00.0"]
    assert addresses(Allocation.objects.get(server_id=server)) == ["0000:82:00.0"]


class Staying:
    """A server that changes its size on its own host."""

    def __init__(self, old: str, new: str) -> None:
        self.host, self.server = give_devices(make_host()), uuid.uuid4()
        self.old, self.new = spec(old), spec(new)
        place(self.old, self.server)
        with transaction.atomic():
            stay_on_host(
                server_id=self.server, hypervisor=self.host, spec=self.new,
                operation_id=uuid.uuid4(), request_id="", now=timezone.now(),
            )  # fmt: skip

    @property
    def addresses(self) -> list[str]:
        return addresses(Allocation.objects.get(server_id=self.server))

    def hold(self, size: RequestSpec) -> None:
        for _ in range(2):
            hold_just(
                server_id=self.server, hypervisor_id=self.host.pk, spec=size, now=timezone.now()
            )


@pytest.mark.parametrize(
    ("end", "kept"), [("old", ["0000:81:00.0"]), ("new", ["0000:82:00.0", "0000:3b:02.0"])]
)
def test_meanwhile_it_holds_the_devices_of_both_sizes_and_then_of_one(end, kept):
    staying = Staying("gpu:1", "gpu:1,nic:1")
    assert staying.addresses == ["0000:81:00.0", "0000:82:00.0", "0000:3b:02.0"]

    staying.hold(getattr(staying, end))

    assert staying.addresses == kept


def test_devices_that_are_asked_for_again_stay():
    assert Staying("gpu:2", "gpu:2").addresses == ["0000:81:00.0", "0000:82:00.0"]


def test_a_size_without_devices_gives_them_back():
    staying = Staying("gpu:2", "")

    staying.hold(staying.new)

    assert staying.addresses == []


def test_a_host_whose_devices_do_not_do_for_both_sizes_is_not_grown_on():
    with pytest.raises(NoValidHost):
        Staying("gpu:2", "gpu:1")


@pytest.mark.django_db(transaction=True)
def test_servers_that_race_for_the_last_devices_never_share_one():
    for _ in range(2):
        give_devices(make_host())
    together = threading.Barrier(RACERS)

    def one(number: int) -> int:
        try:
            together.wait(timeout=60)
            place(spec("gpu:1"))
        except NoValidHost:
            return 1
        finally:
            connections.close_all()
        return 0

    with ThreadPoolExecutor(RACERS) as pool:
        refused = sum(pool.map(one, range(RACERS)))

    assert RACERS - refused == PciClaim.objects.count() == 4


def test_a_name_that_nobody_gave_is_refused():
    check_aliases("")
    check_aliases("gpu:1,nic:1")

    with pytest.raises(PciAliasUnknown, match="PCI alias tpu is not defined"):
        check_aliases("gpu:1,tpu:1")


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "a,b"}, {"name": "a:b"}, {"vendor_id": "10DE"}, {"vendor_id": "0x10de"},
        {"product_id": "1"}, {"addresses": "0000:81:00.0;"}, {"addresses": " 0000:*"},
    ],
)  # fmt: skip
def test_an_alias_is_a_name_and_two_numbers(fields):
    known = {"name": "tpu", "vendor_id": "1ae0", "product_id": "0042", "addresses": "0000:[34]*"}
    PciAlias(**known).full_clean()

    with pytest.raises(ValidationError):
        PciAlias(**{**known, **fields}).full_clean()

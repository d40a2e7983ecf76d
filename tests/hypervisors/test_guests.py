import dataclasses
from uuid import uuid4

import pytest

from hypervisors import guests
from hypervisors.errors import (
    GuestNotFound,
    GuestPropertyRefused,
    HostCannot,
    HostRefused,
    HostUnreachable,
    WrongGuestState,
)
from hypervisors.guests import GuestFeatures
from hypervisors.libvirt import errors as driver
from hypervisors.platforms import PlatformWish
from hypervisors.pools import POOL
from tests.hypervisors.fake_host import assert_clean_slate


def test_defined_guest_logs_its_console_into_the_pool_of_its_disk(hypervisor, host, spec):
    kept = host.guests[spec.uuid].spec

    assert kept.console_log_path == f"{POOL.path}/{spec.uuid}_console.log"


def test_start_stop_and_reboot_lead_to_their_states(hypervisor, spec):
    def state():
        info = guests.guest_info(hypervisor, spec.uuid)
        return info and info.power_state

    guests.start_guest(hypervisor, spec.uuid)
    assert state() == "running"
    assert guests.stop_guest(hypervisor, spec.uuid, 5)
    assert state() == "shutdown"
    assert guests.reboot_guest(hypervisor, spec.uuid, hard=False)
    assert state() == "running"
    assert not guests.stop_guest(hypervisor, spec.uuid, 0)
    assert state() == "shutdown"


def test_soft_reboot_of_a_deaf_guest_becomes_a_hard_one(hypervisor, host, spec):
    guests.start_guest(hypervisor, spec.uuid)
    host.heeds_power_button = False

    assert not guests.reboot_guest(hypervisor, spec.uuid, hard=False)

    assert host.calls[-2:] == ["reboot_soft", "reboot_hard"]


def test_removed_guest_leaves_nothing_and_may_be_removed_again(hypervisor, host, spec):
    host.delete_volume(POOL.name, spec.disks[0].volume)

    guests.remove_guest(hypervisor, spec.uuid)
    guests.remove_guest(hypervisor, spec.uuid)

    assert guests.guest_info(hypervisor, spec.uuid) is None
    assert_clean_slate(hypervisor)


def test_guest_that_is_not_there_is_named_so(hypervisor):
    for act in (guests.start_guest, guests.screenshot):
        with pytest.raises(GuestNotFound):
            act(hypervisor, uuid4())
    with pytest.raises(GuestNotFound):
        guests.stop_guest(hypervisor, uuid4(), 0)


def test_console_is_the_end_of_the_log_and_never_fails_on_bytes(hypervisor, host, spec):
    host.console_text[spec.uuid] = b"first\nlast \xff\n"

    assert guests.read_console(hypervisor, spec.uuid) == "first\nlast �\n"
    assert guests.read_console(hypervisor, spec.uuid, max_bytes=7) == "last �\n"
    assert guests.read_console(hypervisor, uuid4()) == ""


def test_screenshot_of_a_stopped_guest_is_refused(hypervisor, spec):
    with pytest.raises(WrongGuestState):
        guests.screenshot(hypervisor, spec.uuid)


def test_unknown_error_of_the_host_stays_unknown_and_is_kept_in_the_detail(hypervisor, host, spec):
    host.fail_on("start_guest", driver.DriverError("internal error: qemu said no", code=1))

    with pytest.raises(HostRefused) as caught:
        guests.start_guest(hypervisor, spec.uuid)

    assert "qemu" not in str(caught.value)
    assert "qemu said no (libvirt error 1)" in caught.value.detail
    assert not caught.value.retryable


def test_host_that_does_not_answer_is_worth_another_try(hypervisor, host, spec):
    host.is_down = True

    with pytest.raises(HostUnreachable) as caught:
        guests.start_guest(hypervisor, spec.uuid)

    assert caught.value.retryable


def test_platform_is_the_hosts_with_a_versioned_machine(hypervisor):
    platform = guests.platform_of(hypervisor, GuestFeatures())

    assert platform == guests.Platform("x86_64", "qemu", "qemu64", "pc-q35-7.2")


@pytest.mark.parametrize(
    "features",
    [
        GuestFeatures(machine_type="pc-i440fx-99"),
        GuestFeatures(firmware="uefi"),
        GuestFeatures(secure_boot=True),
        GuestFeatures(tpm_version="2.0", tpm_model="tpm-crb"),
    ],
)
def test_platform_the_host_does_not_have_is_refused(hypervisor, features):
    hypervisor.capabilities["has_uefi"] = False

    with pytest.raises(HostCannot):
        guests.platform_of(hypervisor, features)


@pytest.fixture
def able(hypervisor):
    """A host with two versions of a machine type and two CPU models."""
    hypervisor.domain_type = "kvm"
    hypervisor.capabilities |= {
        "machines": {"q35": "pc-q35-7.2", "pc-q35-7.2": "pc-q35-7.2", "pc-q35-7.1": "pc-q35-7.1"},
        "guest_cpu_models": {"kvm": "EPYC-Rome"},
        "usable_cpu_models": {"kvm": ["EPYC", "kvm64"]},
    }
    return hypervisor


@pytest.mark.parametrize(
    ("features", "wish", "cpu_model", "machine"),
    [
        ({}, {}, "EPYC-Rome", "pc-q35-7.2"),
        (
            {},
            {"shared_cpu_model": "EPYC", "shared_machines": {"pc-q35": "pc-q35-7.1"}},
            *("EPYC", "pc-q35-7.1"),
        ),
        ({}, {"shared_machines": {"pc-q35": ""}}, "EPYC-Rome", "pc-q35-7.2"),
        (
            {},
            {"cpu_model": "kvm64", "shared_cpu_model": "EPYC", "machine": "pc-q35-7.1"},
            *("kvm64", "pc-q35-7.1"),
        ),
        # The image names its version, or the group speaks of another type.
        ({"machine_type": "pc-q35-7.2"}, {"machine": "pc-q35-7.1"}, "EPYC-Rome", "pc-q35-7.2"),
        ({}, {"machine": "pc-i440fx-7.1"}, "EPYC-Rome", "pc-q35-7.2"),
    ],
)
def test_platform_is_what_the_group_says_or_its_hosts_share(
    able, features, wish, cpu_model, machine
):
    platform = guests.platform_of(able, GuestFeatures(**features), PlatformWish(**wish))

    assert (platform.cpu_model, platform.machine) == (cpu_model, machine)


@pytest.mark.parametrize("wish", [{"cpu_model": "EPYC-Rome"}, {"machine": "pc-q35-8.0"}])
def test_what_a_group_says_and_a_host_cannot_is_refused(able, wish):
    with pytest.raises(HostCannot):
        guests.platform_of(able, GuestFeatures(), PlatformWish(**wish))


@pytest.mark.parametrize(
    ("machine", "cpu_model", "kept"),
    [
        ("pc-q35-6.0", "EPYC", ("pc-q35-6.0", "EPYC")),
        ("pc-i440fx-7.2", "Haswell", ("pc-q35-7.2", "qemu64")),
        ("", "", ("pc-q35-7.2", "qemu64")),
    ],
)
def test_a_guest_stays_as_it_was_made_where_it_can(able, spec, machine, cpu_model, kept):
    spec = dataclasses.replace(spec, machine="pc-q35-7.2", domain_type="kvm", cpu_model="qemu64")

    found = guests.as_made(spec, able, machine=machine, cpu_model=cpu_model)

    assert (found.machine, found.cpu_model) == kept


def test_extra_spec_that_cannot_be_honoured_is_refused():
    with pytest.raises(GuestPropertyRefused, match="hw:mem_encryption"):
        guests.guest_features({"hw:mem_encryption": "true"}, {})

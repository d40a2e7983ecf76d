from uuid import uuid4

import pytest
from django.utils import timezone

from hypervisors import ssh
from hypervisors.check import check_hypervisor, examine, is_fit
from hypervisors.errors import (
    HostKeyUnknown,
    HostUnreachable,
    HypervisorExists,
    HypervisorInUse,
    HypervisorNotReady,
)
from hypervisors.libvirt import errors as driver
from hypervisors.libvirt.network import NatNetworkSpec
from hypervisors.libvirt.spec import HostCheck
from hypervisors.models import Aggregate, BuildSlot, HostState, Hypervisor
from hypervisors.pools import POOL
from hypervisors.register import accept_host_key, add_hypervisor, remove_hypervisor
from hypervisors.ssh import HostKey
from tests.hypervisors.test_ssh import ED25519

URI = "qemu+ssh://root@10.0.0.9/system"
OTHER = HostKey(
    "ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAINHUA6ya039p/c4jBptRK9rkq+ILCo7piNrBMsUl5PCv"
)


@pytest.fixture
def shown(monkeypatch, ssh_dir):
    """The SSH keys that every host shows."""
    keys = [ED25519]
    monkeypatch.setattr(ssh, "scan_host_keys", lambda address: list(keys))
    return keys


def _add(**fields):
    known = {"name": "host9", "uri": URI, "accepted_fingerprint": ED25519.fingerprint}
    return add_hypervisor(**{**known, "now": timezone.now(), **fields})


def test_added_host_is_up_with_its_pool_and_inventory(db, hosts, shown):
    done = _add(zone="west")

    host = Hypervisor.objects.get(name="host9")
    assert done.hypervisor == host
    assert (host.state, host.vcpus, host.disk_gib) == (HostState.UP, 8, 200)
    assert host.host_keys == f"10.0.0.9 {ED25519.kind} {ED25519.text}\n"
    assert [pool.name for pool in host.pools.all()] == [POOL.name]
    assert hosts["host9"].pools[POOL.name].path == POOL.path
    assert Aggregate.objects.get(availability_zone="west").hypervisors.get() == host
    names = {"ssh", "host key", "libvirt version", "qemu", "virt type", "pool", "network", "time"}
    assert {check.name for check in done.checks} == names


def test_this_machine_needs_no_key(db, hosts, monkeypatch):
    done = _add(uri="qemu:///system", accepted_fingerprint=None)

    assert done.hypervisor.host_keys == ""
    assert "host key" not in {check.name for check in done.checks}


@pytest.mark.parametrize("fingerprint", [None, OTHER.fingerprint])
def test_key_that_nobody_accepted_is_refused_and_shown(db, hosts, shown, fingerprint):
    with pytest.raises(HostKeyUnknown) as caught:
        _add(accepted_fingerprint=fingerprint)

    assert caught.value.fingerprints == [f"ssh-ed25519 {ED25519.fingerprint}"]
    assert not Hypervisor.objects.exists()


def test_host_that_lacks_something_is_not_added(db, hosts, shown):
    hosts["host9"].found_checks = [
        HostCheck("ssh", True, "Fine."),
        HostCheck("qemu", False, "There is no QEMU.", "Install qemu-system on the host."),
    ]

    with pytest.raises(HypervisorNotReady) as caught:
        _add()

    assert "Install qemu-system on the host." in [check.remedy for check in caught.value.checks]
    assert not Hypervisor.objects.exists()


def test_wrong_clock_is_worth_a_word_only(db, hosts, shown):
    checks = [HostCheck(name, True, "Fine.") for name in ("ssh", "qemu")]
    hosts["host9"].found_checks = [*checks, HostCheck("time", False, "Behind.", "Install chrony.")]

    assert _add().hypervisor.pk


def test_refused_login_names_the_line_to_add(db, hosts, shown):
    hosts["host9"].fail_on(
        "ensure_pool", driver.HostUnreachable("root@10.0.0.9: Permission denied (publickey)")
    )

    with pytest.raises(HypervisorNotReady) as caught:
        _add()

    (failed,) = [check for check in caught.value.checks if check.ok is False]
    assert failed.name == "ssh"
    assert "~root/.ssh/authorized_keys" in failed.remedy
    assert ssh.public_key() in failed.remedy


def test_host_without_dnsmasq_fails_the_network_check_by_name(db, hosts, shown):
    hosts["host9"].fail_on("ensure_network", driver.DriverError("dnsmasq not found"))

    with pytest.raises(HypervisorNotReady) as caught:
        _add()

    failed = {check.name: check for check in caught.value.checks}["network"]
    assert "dnsmasq" in failed.message
    assert "dnsmasq-base" in failed.remedy
    assert hosts["host9"].networks == {}


def test_trial_network_of_a_check_that_was_killed_is_removed(db, hosts, shown):
    for begun in (1000000000, 4000000000):
        name = f"cloudportal-check-{begun}-0"
        hosts["host9"].ensure_network(NatNetworkSpec(name, "b", uuid4(), "10.0.0.0/29", "10.0.0.1"))

    _add()

    assert list(hosts["host9"].networks) == ["cloudportal-check-4000000000-0"]


def test_pool_that_lies_elsewhere_fails_the_pool_check(db, hosts, shown):
    hosts["host9"].fail_on("ensure_pool", driver.AlreadyThere("It exists at /srv."))

    with pytest.raises(HypervisorNotReady) as caught:
        _add()

    failed = {check.name: check for check in caught.value.checks}["pool"]
    assert (failed.ok, failed.message) == (False, "It exists at /srv.")


@pytest.mark.parametrize("fields", [{"name": "host1"}, {"uri": "qemu+ssh://root@host1/system"}])
def test_name_and_uri_are_taken_once(hypervisor, shown, fields):
    with pytest.raises(HypervisorExists, match="host1"):
        _add(**fields)


def test_changed_key_is_refused_loudly_until_the_new_one_is_accepted(db, hosts, shown):
    host = _add().hypervisor
    shown[:] = [OTHER]

    checks = {check.name: check for check in check_hypervisor(host)}

    assert checks["host key"].ok is False
    assert checks["host key"].message.startswith("CHANGED")
    assert not is_fit(list(checks.values()))
    with pytest.raises(HostKeyUnknown):
        accept_host_key(hypervisor=host, fingerprint=ED25519.fingerprint)
    accept_host_key(hypervisor=host, fingerprint=OTHER.fingerprint)
    assert is_fit(check_hypervisor(host))


def test_check_of_a_silent_host_says_where_to_look(hypervisor, monkeypatch, ssh_dir):
    def silent(address):
        raise HostUnreachable("No SSH server answers at host1.")

    monkeypatch.setattr(ssh, "scan_host_keys", silent)

    first, *rest = check_hypervisor(hypervisor)

    assert (first.name, first.ok) == ("ssh", False)
    assert "runs sshd" in first.remedy
    assert {check.ok for check in rest} == {None}


def test_host_in_use_is_kept_and_an_empty_one_forgotten(hypervisor, ssh_dir):
    slot = BuildSlot.objects.create(hypervisor=hypervisor, operation=uuid4())
    with pytest.raises(HypervisorInUse):
        remove_hypervisor(hypervisor=hypervisor)
    slot.delete()

    remove_hypervisor(hypervisor=hypervisor)

    assert not Hypervisor.objects.exists()
    assert not list((ssh_dir / "known_hosts.d").iterdir())


@pytest.mark.parametrize("passes", [True, False])
def test_a_host_that_does_not_filter_between_guests_is_told_how_to(hosts, hypervisor, passes):
    hosts["host1"].bridge_filtering = passes
    Hypervisor.objects.update(uri="qemu:///system")

    checks = {each.name: each for each in examine(Hypervisor.objects.get()).checks}

    assert checks["packet filter"].ok is passes
    assert ("br_netfilter" in checks["packet filter"].remedy) is not passes
    assert is_fit(list(checks.values()))

"""Diagnostics: counters by libvirt's names until 2.47, by fixed names since then."""

import pytest

from tests.authorisation import ADMINS, Endpoint, client_as, matrix
from tests.hypervisors.factories import guest_spec
from tests.hypervisors.fake_guests import FakeGuest
from tests.hypervisors.fake_host import installed

PATH = "/compute/v2.1/servers/{server}/diagnostics"
FOREIGN = dict.fromkeys(("foreign reader", "foreign member", "foreign manager", "unscoped"), 404)


@pytest.fixture
def server(active, host, monkeypatch):
    """A server whose guest runs on a fake host."""
    server = active()
    fake = installed(monkeypatch)[host.name]
    fake.guests[server.pk] = FakeGuest(guest_spec(uuid=server.pk), "running")
    server.fake = fake
    return server


def ask(server, version):
    return client_as("admin", version).get(PATH.format(server=server.pk))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("endpoint", "who"), matrix([Endpoint("GET", PATH, 200, ADMINS, exceptions=FOREIGN)])
)
def test_only_administrators_ask_hosts(endpoint, who, server):
    assert endpoint.status(who, server=server.pk) == endpoint.expected(who)


@pytest.mark.django_db
def test_until_2_47_the_names_are_libvirts(server):
    found = ask(server, "2.47").json()

    assert found["cpu0_time"] == 1000
    assert (found["vda_read"], found["vda_write_req"]) == (4096, 1)
    assert (found["vnet0_rx"], found["vnet0_tx_packets"]) == (60, 2)
    assert (found["memory"], found["memory-actual"], found["memory-rss"]) == (
        262144,
        262144,
        131072,
    )


@pytest.mark.django_db
def test_from_2_48_on_they_are_fixed(server):
    found = ask(server, "2.48").json()

    assert (found["state"], found["driver"]) == ("running", "libvirt")
    assert (found["num_cpus"], found["num_nics"], found["num_disks"]) == (
        len(found["cpu_details"]),
        1,
        1,
    )
    assert found["cpu_details"][0] == {"id": 0, "time": 1000, "utilisation": None}
    assert found["nic_details"][0]["mac_address"] == "fa:16:3e:00:00:01"
    assert found["nic_details"][0]["rx_octets"] == 60
    assert found["disk_details"][0]["read_bytes"] == 4096
    assert found["memory_details"] == {"maximum": 256, "used": 100}
    assert found["uptime"] > 0


@pytest.mark.django_db
def test_a_server_that_does_not_run_has_none(server):
    server.fake.guests[server.pk].power_state = "shutdown"

    answer = ask(server, "2.48")

    assert answer.status_code == 409
    assert "power state shutdown" in answer.json()["conflictingRequest"]["message"]


@pytest.mark.django_db
def test_a_server_without_a_host_has_none(active):
    server = active(hypervisor=None)

    answer = ask(server, "2.1")

    assert answer.status_code == 409
    assert answer.json()["conflictingRequest"]["message"] == f"Instance {server.pk} is not ready"

"""Networks of several hosts when many want something of them at one instant."""

from __future__ import annotations

import threading
import uuid

import pytest
from django.db import connection
from django.utils import timezone

from hypervisors.errors import HostBusy
from networks.create import NewNetwork, create_network
from networks.models import Network, NetworkPlace, NetworkType, Port, PortPlace
from networks.network_places import due_places, forget_ports, note_ports
from networks.provider import Provider
from tests.networks.conftest import actor_with
from tests.scheduling.hosts import make_host

pytestmark = pytest.mark.django_db(transaction=True)
RACERS = 8


@pytest.fixture
def tunnel(admin):
    wanted = NewNetwork(provider=Provider(NetworkType.VXLAN))
    return create_network(wanted=wanted, actor=admin, now=timezone.now())


def at_once(*works):
    """Do all of these at one instant; what each raised, or None."""
    barrier = threading.Barrier(len(works))
    raised: list[Exception | None] = [None] * len(works)

    def run(number, work):
        try:
            connection.ensure_connection()
            barrier.wait()
            work()
        except Exception as error:  # noqa: BLE001 - a thread's failure must reach the test
            raised[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def add_port(network):
    number = uuid.uuid4()
    mac = f"fa:16:3e:{number.hex[:2]}:{number.hex[2:4]}:{number.hex[4:6]}"
    return Port.objects.create(id=number, network=network, project_id="p1", mac_address=mac)


def note(port, host):
    return lambda: note_ports([port], host, now=timezone.now())


def test_no_two_networks_have_one_number():
    def make(number):
        actor = actor_with("admin", f"p{number}")
        wanted = NewNetwork(provider=Provider(NetworkType.VXLAN))
        return lambda: [
            create_network(wanted=wanted, actor=actor, now=timezone.now()) for _ in range(3)
        ]

    assert at_once(*(make(number) for number in range(RACERS))) == [None] * RACERS

    numbers = list(Network.objects.order_by("segment").values_list("segment", flat=True))
    assert numbers == list(range(1, 3 * RACERS + 1))


def test_all_hosts_but_the_last_are_told_of_those_that_came_at_once(tunnel):
    hosts = [make_host() for _ in range(RACERS)]

    raised = at_once(*(note(add_port(tunnel), host) for host in hosts))

    assert raised == [None] * RACERS
    assert NetworkPlace.objects.count() == RACERS
    # The last one finds all others noted when it makes the network.
    assert due_places().count() == RACERS - 1


def test_a_port_that_comes_while_the_last_one_goes_has_its_network_or_waits(tunnel):
    host = make_host()
    for _ in range(10):
        leaving, coming = add_port(tunnel), add_port(tunnel)
        note(leaving, host)()

        forgotten, noted = at_once(
            lambda port=leaving: forget_ports([port.pk], host, now=timezone.now()),
            note(coming, host),
        )

        assert forgotten is None
        place = NetworkPlace.objects.get()
        assert place.is_leaving == isinstance(noted, HostBusy)
        assert PortPlace.objects.count() == (0 if place.is_leaving else 1)
        PortPlace.objects.all().delete()
        NetworkPlace.objects.all().delete()

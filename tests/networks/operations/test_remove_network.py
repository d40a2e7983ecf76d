"""A deleted network leaves the hosts too."""

import pytest
from django.utils import timezone

from hypervisors import links
from networks.delete import delete_network
from networks.wiring import bridge_name, libvirt_network_name
from operations.engine import run
from operations.models import Operation, OperationState
from tests.hypervisors.fake_host import installed, make_hypervisor

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def hosts(monkeypatch):
    return installed(monkeypatch)


def test_deleted_network_goes_from_every_host_also_one_that_never_had_it(hosts, network, admin):
    having, other = (make_hypervisor(hosts, name=name) for name in ("h1", "h2"))
    name = libvirt_network_name(network.pk)
    bridge = bridge_name(network.pk)
    spec = links.NatNetworkSpec(name, bridge, network.pk, "10.5.0.0/24", "10.5.0.1")
    links.ensure_nat_network(having, spec)

    delete_network(network=network, actor=admin, now=timezone.now())
    for operation in Operation.objects.all():
        run(operation.pk)

    assert Operation.objects.filter(state=OperationState.DONE).count() == 2
    assert links.networks_on(having) == links.networks_on(other) == []


def test_host_that_is_away_is_asked_again(hosts, network, admin):
    hypervisor = make_hypervisor(hosts)
    delete_network(network=network, actor=admin, now=timezone.now())
    operation = Operation.objects.get()
    hosts[hypervisor.name].is_down = True

    run(operation.pk)
    operation.refresh_from_db()
    waiting = operation.state
    hosts[hypervisor.name].is_down = False
    Operation.objects.update(wake_at=timezone.now())
    run(operation.pk)

    operation.refresh_from_db()
    assert waiting not in (OperationState.DONE, OperationState.FAILED)
    assert operation.state == OperationState.DONE

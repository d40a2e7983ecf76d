"""A server that may go back to what it was is in order, on both its hosts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from flavors.models import Flavor
from operations.models import Operation
from servers.models import Server
from servers.resize import confirm_resize, resize_server, revert_resize
from servers.states import VmState
from tests.authorisation import actor_named
from tests.hypervisors.fake_host import make_hypervisor
from tests.integrity.conftest import run_everything

pytestmark = pytest.mark.django_db(transaction=True)


def let_rest():
    """All that was done is long ago."""
    past = timezone.now() - timedelta(minutes=5)
    Operation.objects.update(finished_at=past)
    Server.objects.update(updated_at=past, recorded_at=past)


@pytest.fixture
def ask(world):
    def change(use_case, **options):
        server = Server.objects.get(pk=world.server.pk)
        use_case(server=server, actor=actor_named("member"), now=timezone.now(), **options)
        run_everything()
        let_rest()
        return Server.objects.get(pk=server.pk)

    return change


@pytest.mark.parametrize("has_other", [True, False], ids=["elsewhere", "in place"])
@pytest.mark.parametrize("end", [confirm_resize, revert_resize], ids=["confirmed", "reverted"])
def test_nothing_is_found_while_it_may_go_back_nor_afterwards(world, ask, has_other, end):
    if has_other:
        make_hypervisor(world.hosts, "host2")
    Flavor.objects.create(
        flavorid="9", name="m1.big", vcpus=2, ram_mib=128, disk_gib=2, swap_mib=64, extra_specs={}
    )

    server = ask(resize_server, flavor_id="9", disk_config="")
    assert server.vm_state == VmState.RESIZED
    assert world.kinds() == []

    server = ask(end)
    assert server.vm_state == VmState.ACTIVE
    assert world.kinds() == []

"""However many builds are asked for, no more go on at a host than it may have."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from hypervisors.models import BuildSlot, Hypervisor
from operations import engine
from operations.models import UNFINISHED, Operation
from quotas.models import QuotaLimit
from servers.models import Server
from servers.states import VmState
from tests.authorisation import OWN_PROJECT
from tests.hypervisors.fake_host import make_hypervisor

pytestmark = pytest.mark.django_db(transaction=True)
BUILDS = 30
WORKERS = 10
PLACES = 3


class Counter:
    """Watches how many builds are at work on one host."""

    def __init__(self, host, hypervisor: Hypervisor):
        self.hypervisor = hypervisor
        self.lock = threading.Lock()
        self.now = self.most = self.most_slots = 0
        self.define = host.define_guest
        host.define_guest = self.define_guest

    def define_guest(self, spec):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        slots = BuildSlot.objects.filter(hypervisor=self.hypervisor).count()
        self.most_slots = max(self.most_slots, slots)
        threading.Event().wait(0.02)  # so that builds meet
        try:
            return self.define(spec)
        finally:
            with self.lock:
                self.now -= 1


def work_all() -> None:
    """One worker of several: whatever is due, and what waits for a slot, until all is done."""
    try:
        while True:
            due = list(Operation.objects.filter(state__in=UNFINISHED).order_by("?"))
            if not due:
                return
            for operation in due:
                aside = Operation.objects.filter(pk=operation.pk, lease_until=None)
                aside.update(wake_at=operation.created_at)
                engine.run(operation.pk, queue=operation.queue)
    finally:
        connections.close_all()


def test_thirty_builds_at_once_never_exceed_what_a_host_may_build(hosts, create):
    room = {"vcpus": 64, "ram_mib": 262144, "disk_gib": 4000, "max_concurrent_builds": PLACES}
    counters = [
        Counter(hosts[name], make_hypervisor(hosts, name, **room)) for name in ("host1", "host2")
    ]
    for resource in ("instances", "cores", "ram"):
        QuotaLimit.objects.create(project_id=OWN_PROJECT, resource=resource, limit=-1)
    made = [create(name=f"s{number}") for number in range(BUILDS)]

    with ThreadPoolExecutor(WORKERS) as pool:
        for worker in [pool.submit(work_all) for _ in range(WORKERS)]:
            worker.result(timeout=300)

    active = Server.objects.filter(pk__in=[server.pk for server in made])
    assert set(active.values_list("vm_state", flat=True)) == {VmState.ACTIVE}
    assert all(0 < counter.most <= PLACES for counter in counters)
    assert all(0 < counter.most_slots <= PLACES for counter in counters)
    assert not BuildSlot.objects.exists()

"""Lost and late wake-ups are sent again, not too often and not too late."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from operations.errors import Wait
from operations.models import Operation, OperationState
from operations.sweep import sweep
from tests.operations.world import run, start

pytestmark = pytest.mark.django_db


class TestSweep:
    """Lost and late wake-ups."""

    @pytest.fixture(autouse=True)
    def _empty_queue(self):
        OrmQ.objects.all().delete()

    def test_a_fresh_operation_is_not_woken_twice(self, kind):
        start(kind)

        assert sweep(now=timezone.now()) == 0

    def test_a_lost_wake_up_is_sent_again_with_growing_pauses(self, kind):
        start(kind)
        now = timezone.now()

        assert sweep(now=now + timedelta(seconds=6)) == 1
        assert sweep(now=now + timedelta(seconds=12)) == 0
        assert sweep(now=now + timedelta(seconds=17)) == 1

    def test_a_pause_that_ended_is_woken_at_once_and_once(self, world, kind):
        world.trouble("do a", Wait("soon", seconds=0.5))
        operation = run(start(kind))

        assert sweep(now=timezone.now()) == 0
        assert sweep(now=operation.wake_at + timedelta(milliseconds=1)) == 1
        assert sweep(now=operation.wake_at + timedelta(milliseconds=2)) == 0

    def test_an_orphan_is_woken_when_its_lease_runs_out(self, kind):
        now = timezone.now()
        operation = start(
            kind, lease_owner="dead", lease_until=now + timedelta(seconds=9), state="running"
        )

        assert sweep(now=now + timedelta(seconds=8)) == 0
        assert sweep(now=now + timedelta(seconds=10)) == 1
        assert OrmQ.objects.count() == 2
        assert run_late(operation).state == OperationState.DONE

    def test_finished_operations_are_left_alone(self, kind):
        run(start(kind))

        assert sweep(now=timezone.now() + timedelta(days=1)) == 0


def run_late(operation: Operation) -> Operation:
    Operation.objects.filter(pk=operation.pk).update(
        lease_until=timezone.now() - timedelta(seconds=1)
    )
    return run(operation)

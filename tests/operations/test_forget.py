"""Finished operations are forgotten after a month."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import Task

from operations.forget import JOBS_KEPT_FOR, KEPT_FOR, forget_finished
from operations.models import Operation, OperationState, StepRecord

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def operation(age: timedelta | None) -> Operation:
    made = Operation.objects.create(
        kind="test",
        subject=uuid.uuid4(),
        state=OperationState.PENDING if age is None else OperationState.DONE,
        created_at=NOW - KEPT_FOR * 2,
        finished_at=None if age is None else NOW - age,
    )
    StepRecord.objects.create(operation=made, step="a", direction="do", started_at=NOW)
    return made


def test_old_finished_operations_go_with_their_steps():
    old, new, unfinished = operation(KEPT_FOR * 1.1), operation(KEPT_FOR / 2), operation(None)

    assert forget_finished(NOW) == 1

    assert set(Operation.objects.all()) == {new, unfinished}
    assert not StepRecord.objects.filter(operation_id=old.pk).exists()


def test_traces_of_failed_jobs_go():
    for age in (JOBS_KEPT_FOR * 2, JOBS_KEPT_FOR / 2):
        Task.objects.create(
            id=uuid.uuid4().hex, name="t", func="f", started=NOW - age, stopped=NOW - age
        )

    forget_finished(NOW)

    assert Task.objects.count() == 1

"""A world that is a list, and what makes and runs operations in it."""

from __future__ import annotations

import uuid

from django.utils import timezone

from operations import engine
from operations.enqueue import enqueue
from operations.kinds import Kind, Step
from operations.models import Operation


class World:
    """Things that exist, and what should go wrong when."""

    def __init__(self):
        self.things: list[str] = []
        self.log: list[str] = []
        self.troubles: dict[str, list[BaseException]] = {}

    def trouble(self, call: str, *errors: BaseException):
        self.troubles[call] = list(errors)

    def _met(self, call: str):
        self.log.append(call)
        if self.troubles.get(call):
            raise self.troubles[call].pop(0)

    def step(self, name: str, **options) -> Step:
        def do(context):
            if name not in self.things:
                self.things.append(name)
            self._met(f"do {name}")
            return {"made": name}

        def undo(context):
            self._met(f"undo {name}")
            if name in self.things:
                self.things.remove(name)

        return Step(name, do, undo, **options)


def start(kind: Kind, subject=None, **fields) -> Operation:
    operation = enqueue(
        kind.name,
        subject=subject or uuid.uuid4(),
        params={},
        request_id="req-1",
        now=timezone.now(),
    )
    Operation.objects.filter(pk=operation.pk).update(**fields)
    return operation


def run(operation: Operation, queue="default") -> Operation:
    """One wake-up, as if every pause had passed."""
    Operation.objects.filter(pk=operation.pk).update(wake_at=timezone.now())
    engine.run(operation.pk, queue=queue)
    operation.refresh_from_db()
    return operation

"""Kinds of operations with a trouble built into one of their steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cloudportal.errors import CloudError, Conflict
from hypervisors.errors import HostUnreachable
from operations.kinds import Context, Kind, Step, kind_named, register

Alter = Callable[[Step], Step]
# More failures than an engine takes before it makes a debt of them.
MANY = 8


@contextmanager
def altered(kind: str, *alterations: Alter) -> Iterator[None]:
    """Let operations of this kind have other steps meanwhile."""
    original = kind_named(kind)
    steps = original.steps
    for alter in alterations:
        steps = [alter(step) for step in steps]
    register(dataclasses.replace(original, steps=steps))
    try:
        yield
    finally:
        register(original)


def at(name: str, alter: Alter) -> Alter:
    """Alter one step only."""
    return lambda step: alter(step) if step.name == name else step


def failing(error: CloudError, *, is_after: bool, times: int | None = None) -> Alter:
    """`do` fails before or after it did its work; so many times, or always."""

    def alter(step: Step) -> Step:
        return dataclasses.replace(step, do=_failing(step.do, error, is_after, times))

    return alter


def failing_undo(error: CloudError, *, is_after: bool, times: int) -> Alter:
    """`undo` fails before or after it did its work, so many times."""

    def alter(step: Step) -> Step:
        if step.undo is None:
            return step
        return dataclasses.replace(step, undo=_failing(step.undo, error, is_after, times))

    return alter


def meeting(event: Callable[[Context], None], *, is_after: bool) -> Alter:
    """Something happens before or after `do`, at its first run."""

    def alter(step: Step) -> Step:
        met: list[bool] = []

        def meet(context: Context) -> None:
            if not met:
                met.append(True)
                event(context)

        def do(context: Context) -> Any:
            if not is_after:
                meet(context)
            output = step.do(context)
            if is_after:
                meet(context)
            return output

        return dataclasses.replace(step, do=do)

    return alter


def twice(look: Callable[[], object], *, is_last: bool) -> Alter:
    """`do` runs twice; what `look` sees, and what later steps get, is to be the same after either.

    What the last step returns is a report, and the second time there is nothing new in it.
    """

    def alter(step: Step) -> Step:
        def do(context: Context) -> Any:
            output = step.do(context)
            seen = look()
            again = step.do(context)
            assert is_last or again == output
            assert look() == seen
            return again

        return dataclasses.replace(step, do=do)

    return alter


def undone_twice(look: Callable[[], object]) -> Alter:
    """`undo` runs twice; what `look` sees has to be the same after either."""

    def alter(step: Step) -> Step:
        original = step.undo
        if original is None:
            return step

        def undo(context: Context) -> None:
            original(context)
            seen = look()
            original(context)
            assert look() == seen

        return dataclasses.replace(step, undo=undo)

    return alter


def permanent() -> CloudError:
    """A failure that trying again does not mend."""
    return Conflict("No, for good.")


def passing() -> CloudError:
    """A failure that is over a little later."""
    return HostUnreachable("No answer.")


def undoable(kind: Kind) -> bool:
    """Whether anything of it is ever undone."""
    return any(step.undo is not None for step in kind.steps)


def _failing(
    act: Callable[[Context], Any], error: CloudError, is_after: bool, times: int | None
) -> Callable[[Context], Any]:
    left = [times]

    def acting(context: Context) -> Any:
        if left[0] == 0:
            return act(context)
        left[0] = None if left[0] is None else left[0] - 1
        if is_after:
            act(context)
        raise error

    return acting

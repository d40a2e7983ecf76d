"""What an operation does: kinds, made of steps, registered by their apps when they are ready."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from operations.errors import Superseded

DEFAULT_QUEUE = "default"
TRANSFER_QUEUE = "transfer"


@dataclass
class Context:
    """What a step may know. `params` are frozen at the start; `outputs` are earlier steps' (JSON).

    `rounds` are the failures of earlier rounds, oldest first, as the engine recorded them.
    """

    operation_id: UUID
    kind: str
    subject: UUID
    params: dict[str, Any]
    outputs: dict[str, Any] = field(default_factory=dict)
    rounds: list[dict[str, Any]] = field(default_factory=list)
    request_id: str = ""
    make_way: threading.Event = field(default_factory=threading.Event)

    def checkpoint(self) -> None:
        """For the inside of a long step.

        Raises:
            Superseded: the operation should make way now.
        """
        if self.make_way.is_set():
            raise Superseded


@dataclass(frozen=True)
class Step:
    """One change in the world and its reverse; each may run twice and means it once.

    `on_host`: the step talks to the operation's host, so it can be put off while that is away.
    `queue` says which queue's workers should run it, when not the default one's.
    """

    name: str
    do: Callable[[Context], Any]
    undo: Callable[[Context], None] | None = None
    on_host: bool = False
    queue: Callable[[Context], str] | None = None


@dataclass(frozen=True)
class Kind:
    """A kind of operation.

    `retries`: further tries of a step after a retryable failure, with growing pauses, before it
    counts as a permanent one; None tries again for ever, whatever the failure, as a debt must.
    `deadline_s`: after so long it fails, or None for never.
    `after_undo(context, error)` runs when a failed round has been undone and may return True to
    start another round. `on_failed(context, error)` runs in the transaction that ends a failed
    operation. `postpone(context)` books the host's part of the work as a debt, for when the host
    is away or refuses to undo it; with `postpone_do` also while going forward.
    """

    name: str
    steps: Sequence[Step]
    retries: int | None = 5
    deadline_s: float | None = 3600.0
    after_undo: Callable[[Context, dict[str, Any]], bool] | None = None
    on_failed: Callable[[Context, dict[str, Any]], None] | None = None
    postpone: Callable[[Context], None] | None = None
    postpone_do: bool = False


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> Kind:
    """Make a kind known; a second one of the same name replaces it (an app readied twice)."""
    _kinds[kind.name] = kind
    return kind


def kind_named(name: str) -> Kind:
    """The kind of that name.

    Raises:
        KeyError: no app registered it.
    """
    return _kinds[name]

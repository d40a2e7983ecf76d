"""What a step may tell the engine, beside failing."""

from cloudportal.errors import CloudError


class Wait(Exception):
    """Not yet: ask this step again later. It counts as no try and leaves nothing to undo."""

    def __init__(self, reason: str, *, seconds: float = 0.5) -> None:
        super().__init__(reason)
        self.reason = reason
        self.seconds = seconds


class Superseded(Exception):
    """The operation makes way for another one; raised by a step at its own checkpoint."""


class LeaseLost(Exception):
    """Another worker runs this operation now."""


class DeadlineExceeded(CloudError):
    """The operation took longer than it may."""

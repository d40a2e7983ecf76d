"""What django-q2 calls."""

from uuid import UUID

from operations import engine
from operations.lanes import lanes


def run(operation_id: str, queue: str) -> None:
    """A wake-up: run the operation, if it is there to be run."""
    here = lanes()
    here.run(lambda: engine.run(UUID(operation_id), queue=queue, stopping=here.stopping))

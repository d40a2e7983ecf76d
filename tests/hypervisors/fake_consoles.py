"""The serial lines of a fake host's guests: the typed is on record, the said is a test's."""

import dataclasses
from collections.abc import Callable
from uuid import UUID

from hypervisors.libvirt.errors import WrongState
from tests.hypervisors.fake_guests import FakeGuests
from tests.hypervisors.fake_pools import counted_call


@dataclasses.dataclass
class FakeTerminal:
    on_output: Callable[[bytes], None]
    on_end: Callable[[], None]
    typed: bytes = b""
    is_open: bool = True

    def is_alive(self) -> bool:
        return self.is_open

    def send(self, keys: bytes) -> None:
        if not self.is_open:
            raise WrongState("the line has ended")
        self.typed += keys

    def close(self) -> None:
        self.is_open = False


class FakeConsoles(FakeGuests):
    """The newest terminal of each guest; one that is opened anew puts the one before out."""

    def __init__(self) -> None:
        super().__init__()
        self.terminals: dict[UUID, FakeTerminal] = {}

    @counted_call
    def open_terminal(
        self, uuid: UUID, on_output: Callable[[bytes], None], on_end: Callable[[], None]
    ) -> FakeTerminal:
        if self._guest(uuid).power_state != "running":
            raise WrongState("domain is not running")
        before = self.terminals.get(uuid)
        if before is not None and before.is_open:
            before.is_open = False
            before.on_end()
        self.terminals[uuid] = FakeTerminal(on_output, on_end)
        return self.terminals[uuid]

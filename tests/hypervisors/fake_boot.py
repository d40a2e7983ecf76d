"""Which boot a fake host is in."""

from tests.hypervisors.fake_guests import FakeGuests
from tests.hypervisors.fake_pools import counted_call


class FakeBoot(FakeGuests):
    """`boot`: what its kernel calls its present boot; "" is a host that does not tell."""

    def __init__(self) -> None:
        super().__init__()
        self.boot = ""

    @counted_call
    def boot_id(self) -> str:
        return self.boot

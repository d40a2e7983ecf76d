"""The floating IPs of a fake host."""

from collections.abc import Sequence

from hypervisors.libvirt.errors import DriverError
from hypervisors.libvirt.floating import FloatingAddress
from tests.hypervisors.fake_guests import FakeGuests
from tests.hypervisors.fake_pools import counted_call


class FakeFloating(FakeGuests):
    """What a fake host does with floating IPs. `uplinks`: the interfaces that it has.

    `outside` are the addresses that it answers for; a real one keeps those when its table is lost.
    """

    def __init__(self) -> None:
        super().__init__()
        self.uplinks = {"", "eth0"}
        self.floating: dict[str, FloatingAddress] = {}
        self.outside: set[str] = set()

    @counted_call
    def apply_floating(self, staying: Sequence[FloatingAddress], leaving: Sequence[str]) -> None:
        for each in staying:
            if each.uplink not in self.uplinks:
                raise DriverError(f"The host has no interface {each.uplink}.")
        self.outside -= set(leaving)
        self.floating = {each.address: each for each in staying}
        self.outside |= set(self.floating)

"""The floating IPs of a fake host."""

from collections.abc import Sequence

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
    def apply_floating(
        self, wanted: Sequence[FloatingAddress], leaving: Sequence[str]
    ) -> dict[str, str]:
        refused = {
            each.address: f"The host has no interface {each.uplink}."
            for each in wanted
            if each.uplink not in self.uplinks
        }
        self.outside -= {*leaving, *refused}
        self.floating = {each.address: each for each in wanted if each.address not in refused}
        self.outside |= set(self.floating)
        return refused

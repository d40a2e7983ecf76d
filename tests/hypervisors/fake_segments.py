"""What joins the networks of a fake host to those of others."""

from uuid import UUID

from hypervisors.libvirt.errors import Unsupported
from hypervisors.libvirt.segments import SegmentSpec, wire_name
from tests.hypervisors.fake_guests import FakeGuests
from tests.hypervisors.fake_pools import counted_call


class FakeSegments(FakeGuests):
    """What a fake host does with VLANs and tunnels. `interfaces` and `bridges` are its own."""

    def __init__(self) -> None:
        super().__init__()
        self.interfaces = {"eth1"}
        self.bridges = {"br0"}
        self.segments: dict[UUID, SegmentSpec] = {}
        self.floods: dict[UUID, set[str]] = {}

    @counted_call
    def ensure_segment(self, spec: SegmentSpec, *, is_exact: bool) -> None:
        if spec.kind == "vlan" and spec.parent not in self.interfaces | self.bridges:
            raise Unsupported(f"The host has no interface {spec.parent}.")
        before = set() if is_exact else self.floods.get(spec.network_id, set())
        self.segments[spec.network_id] = spec
        self.floods[spec.network_id] = before | set(spec.peers)

    @counted_call
    def remove_segment(self, network_id: UUID) -> None:
        self.segments.pop(network_id, None)
        self.floods.pop(network_id, None)

    @counted_call
    def list_segments(self) -> list[str]:
        return sorted(map(wire_name, self.segments))

    @counted_call
    def find_bridge(self, name: str) -> str:
        if name not in self.bridges:
            raise Unsupported(f"The host has no bridge {name}.")
        return name

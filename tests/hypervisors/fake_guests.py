"""The guests of a fake host, and how they stand still."""

import dataclasses
from uuid import UUID

from hypervisors.libvirt.diagnostics import GuestDiagnosis, parse_diagnosis
from hypervisors.libvirt.errors import NotThere, WrongState
from hypervisors.libvirt.spec import GuestSpec, OffReason, PowerState
from tests.hypervisors.fake_pools import FakePools, counted_call


@dataclasses.dataclass
class FakeGuest:
    spec: GuestSpec
    power_state: PowerState = "shutdown"
    off_reason: OffReason = "unknown"
    is_persistent: bool = True
    # libvirt's number for why it is as it is.
    reason: int = 0
    # Its memory is on the disk.
    is_saved: bool = False
    interrupts: int = 0
    # The definition as a hand left it, where it is not the one of `spec` any more.
    xml: str | None = None


class FakeGuests(FakePools):
    """What a fake host does with the memory of its guests."""

    def __init__(self) -> None:
        super().__init__()
        self.guests: dict[UUID, FakeGuest] = {}

    @counted_call
    def pause_guest(self, uuid: UUID) -> None:
        self._active(uuid).power_state = "paused"

    @counted_call
    def unpause_guest(self, uuid: UUID) -> None:
        self._active(uuid).power_state = "running"

    @counted_call
    def suspend_guest(self, uuid: UUID) -> None:
        if not self._guest(uuid).is_saved:
            guest = self._active(uuid)
            guest.power_state, guest.off_reason, guest.is_saved = "shutdown", "saved", True

    @counted_call
    def resume_guest(self, uuid: UUID, *, may_boot: bool) -> None:
        guest = self._guest(uuid)
        if guest.power_state == "paused" or guest.is_saved or may_boot:
            guest.power_state, guest.is_saved = "running", False

    @counted_call
    def interrupt_guest(self, uuid: UUID) -> None:
        self._active(uuid).interrupts += 1

    @counted_call
    def diagnose(self, uuid: UUID) -> GuestDiagnosis:
        guest = self._guest(uuid)
        record = {
            "state.state": 1 if guest.power_state == "running" else 5,
            "cpu.time": 17,
            "balloon.current": 262144,
            "balloon.maximum": 262144,
            "balloon.rss": 131072,
            "balloon.available": 250000,
            "balloon.usable": 147600,
            "vcpu.current": guest.spec.vcpus,
            "vcpu.maximum": guest.spec.vcpus,
            **{f"vcpu.{number}.time": 1000 + number for number in range(guest.spec.vcpus)},
            "block.count": 1,
            "block.0.name": "vda",
            "block.0.rd.bytes": 4096,
            "block.0.rd.reqs": 2,
            "block.0.wr.bytes": 512,
            "block.0.wr.reqs": 1,
            "net.count": 1,
            "net.0.name": "vnet0",
            "net.0.rx.bytes": 60,
            "net.0.rx.pkts": 1,
            "net.0.rx.errs": 0,
            "net.0.rx.drop": 0,
            "net.0.tx.bytes": 120,
            "net.0.tx.pkts": 2,
            "net.0.tx.errs": 0,
            "net.0.tx.drop": 0,
        }
        xml = (
            "<domain><devices><interface><mac address='fa:16:3e:00:00:01'/>"
            "<target dev='vnet0'/></interface></devices></domain>"
        )
        return parse_diagnosis(uuid, guest.spec.name, record, xml)

    def _guest(self, uuid: UUID) -> FakeGuest:
        if uuid not in self.guests:
            raise NotThere(f"no domain with matching uuid '{uuid}'")
        return self.guests[uuid]

    def _active(self, uuid: UUID) -> FakeGuest:
        guest = self._guest(uuid)
        if guest.power_state == "shutdown":
            raise WrongState("domain is not running")
        return guest

"""The agents inside a fake host's guests."""

from uuid import UUID

from hypervisors.libvirt.agent import AgentState, MadeAs
from hypervisors.libvirt.errors import Busy, Unsupported
from tests.hypervisors.fake_guests import FakeGuests
from tests.hypervisors.fake_pools import counted_call


class FakeAgents(FakeGuests):
    """`has_agents`: its guests run one where they have a channel for it."""

    def __init__(self) -> None:
        super().__init__()
        self.has_agents = True
        self.passwords: dict[UUID, tuple[str, str]] = {}

    @counted_call
    def agent_state(self, uuid: UUID) -> AgentState:
        return self._agent_state(uuid)

    @counted_call
    def set_password(self, uuid: UUID, user: str, password: str) -> None:
        self._active(uuid)
        state = self._agent_state(uuid)
        if state == "absent":
            raise Unsupported("QEMU guest agent is not configured")
        if state == "silent":
            raise Busy("Guest agent is not responding")
        self.passwords[uuid] = (user, password)

    @counted_call
    def made_as(self, uuid: UUID) -> MadeAs:
        spec = self._guest(uuid).spec
        return MadeAs(spec.machine, spec.cpu_model)

    def _agent_state(self, uuid: UUID) -> AgentState:
        guest = self._guest(uuid)
        if not guest.spec.features.has_guest_agent:
            return "absent"
        return "connected" if self.has_agents and guest.power_state == "running" else "silent"

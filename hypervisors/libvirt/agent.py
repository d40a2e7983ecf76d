"""The agent inside a guest, and the machine and CPU that the guest is made as."""

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID
from xml.etree import ElementTree as ET

import libvirt

from hypervisors.libvirt.connection import on_host

AgentState = Literal["absent", "silent", "connected"]
CHANNEL = "org.qemu.guest_agent.0"
_AGENT_S = 30.0


@dataclass(frozen=True)
class MadeAs:
    """A guest's versioned machine type and named CPU model; "" where it has none."""

    machine: str = ""
    cpu_model: str = ""


@on_host()
def agent_state(raw: Any, uuid: UUID) -> AgentState:
    """Whether the guest has a channel for an agent ("absent"), and an agent has opened it.

    Raises:
        NotThere: no such guest.
    """
    root = _definition(raw.lookupByUUID(uuid.bytes))
    target = root.find(f"devices/channel/target[@name='{CHANNEL}']")
    if target is None:
        return "absent"
    return "connected" if target.get("state") == "connected" else "silent"


@on_host(_AGENT_S)
def set_password(raw: Any, uuid: UUID, user: str, password: str) -> None:
    """Let the agent give a user of the guest a password.

    Raises:
        NotThere: no such guest.
        WrongState: it is off.
        Busy: the agent does not answer.
        Unsupported: the guest has no agent's channel, or this libvirt cannot.
    """
    raw.lookupByUUID(uuid.bytes).setUserPassword(user, password, 0)


@on_host()
def made_as(raw: Any, uuid: UUID) -> MadeAs:
    """The hardware that the guest is made with.

    Raises:
        NotThere: no such guest.
    """
    xml = raw.lookupByUUID(uuid.bytes).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    root = ET.fromstring(xml)  # noqa: S314 - libvirt's own output
    kind = root.find("os/type")
    return MadeAs(
        machine="" if kind is None else kind.get("machine", ""),
        cpu_model=root.findtext("cpu[@mode='custom']/model", ""),
    )


def _definition(domain: Any) -> ET.Element:
    return ET.fromstring(domain.XMLDesc(0))  # noqa: S314 - libvirt's own output

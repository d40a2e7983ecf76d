"""Have a guest dump its memory: it gets the interrupt that its operating system takes for that."""

from __future__ import annotations

from hypervisors import guests
from hypervisors.models import Hypervisor
from operations.kinds import Context
from servers.models import Server
from servers.operations.guest_change import Change


def _interrupt(server: Server, host: Hypervisor, context: Context) -> None:
    # Whether it came cannot be seen. After a death of this worker it is sent again, which a guest
    # that dumps already ignores.
    guests.interrupt_guest(host, server.pk)


CRASH_DUMP = Change("server.crash_dump", "compute_trigger_crash_dump", _interrupt).operation()

"""What a repair is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from hypervisors.errors import NotOnHost
from hypervisors.models import Hypervisor
from servers.errors import ServerNotFound
from servers.models import Server


@dataclass(frozen=True)
class Work:
    """One planned repair; `args` are the plan's, `now` the time of the attempt."""

    args: dict[str, Any]
    now: datetime
    operation_id: UUID
    request_id: str
    hypervisor: Hypervisor | None = None
    server_id: UUID | None = None
    summary: str = field(default="", repr=False)

    @property
    def host(self) -> Hypervisor:
        """The host of it.

        Raises:
            NotOnHost: it was removed from the portal.
        """
        if self.hypervisor is None:
            raise NotOnHost("The host has been removed from the portal.")
        return self.hypervisor

    def server(self) -> Server:
        """The server of it, as it is now.

        Raises:
            ServerNotFound: it is gone.
        """
        alive = Server.objects.alive().select_related("hypervisor")
        server = alive.filter(pk=self.server_id).first() if self.server_id else None
        if server is None:
            raise ServerNotFound(f"Instance {self.server_id} could not be found.")
        return server

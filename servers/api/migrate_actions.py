"""The actions that take a server to another host while it runs, or from a host that is down."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.microversions import Microversion
from cloudportal.api.validation import is_true
from cloudportal.api.views import WireRequest
from cloudportal.errors import Invalid
from servers.api.action import Action
from servers.api.action_bodies import EVACUATE, MIGRATE_LIVE
from servers.evacuation import Evacuation, evacuate_server
from servers.legal import LEGAL
from servers.live_migration import LiveMove, live_migrate_server, refuse_force_without_host
from servers.models import Server
from servers.options import is_on_shared_store

# Since then what stands in the way of a live migration is found out afterwards.
CHECKS_LATER = Microversion(2, 34)
# Until then a host that is named is not asked whether the server fits.
ASKS_HOST = Microversion(2, 30)
ASKS_EVACUATION_HOST = Microversion(2, 29)
TELLS_NO_PASSWORD = Microversion(2, 14)
ENDS_STOPPED = Microversion(2, 95)


def _migrate_live(request: WireRequest, server: Server, value: Any) -> Response:
    copies, overcommit = value["block_migration"], value.get("disk_over_commit")
    host = value["host"] or ""
    is_forced = is_true(value.get("force", False))
    refuse_force_without_host(is_forced=is_forced, host=host)
    live_migrate_server(
        server=server,
        move=LiveMove(
            host=host,
            is_forced=is_forced or (bool(host) and request.microversion < ASKS_HOST),
            copies_disks=None if copies == "auto" else is_true(copies),
            may_overcommit=overcommit is None or is_true(overcommit),
            checks_first=request.microversion < CHECKS_LATER,
        ),
        actor=request.actor,
        now=timezone.now(),
    )
    return Response(status=202)


def _evacuate(request: WireRequest, server: Server, value: Any) -> Response:
    version = request.microversion
    host = value.get("host", "")
    is_forced = is_true(value.get("force", False))
    refuse_force_without_host(is_forced=is_forced, host=host)
    # Later on it is not said: the disks are kept where the new host has them.
    if is_true(value.get("onSharedStorage", False)):
        if value.get("adminPass") is not None:
            raise Invalid("admin password can't be changed on existing disk")
        if server.hypervisor is None or not is_on_shared_store(server, server.hypervisor):
            raise Invalid("The server's disks are not on shared storage.")
    password = evacuate_server(
        server=server,
        wanted=Evacuation(
            host=host,
            is_forced=is_forced or (bool(host) and version < ASKS_EVACUATION_HOST),
            admin_password=value.get("adminPass"),
            ends_stopped=version >= ENDS_STOPPED,
        ),
        actor=request.actor,
        now=timezone.now(),
    )
    return Response({"adminPass": password} if version < TELLS_NO_PASSWORD else None)


MIGRATE_ACTIONS = {
    "evacuate": Action(_evacuate, LEGAL["evacuate"].policy, EVACUATE),
    "os-migrateLive": Action(_migrate_live, LEGAL["os-migrateLive"].policy, MIGRATE_LIVE),
}

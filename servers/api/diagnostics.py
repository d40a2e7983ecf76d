"""`/servers/{id}/diagnostics`: what the server's host counts of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.microversions import Versioned
from cloudportal.api.openapi import documented
from cloudportal.api.representation import (
    BOOLEAN,
    INTEGER,
    STRING,
    array,
    mapping,
    nullable,
    record,
)
from cloudportal.api.views import ComputeView, WireRequest
from hypervisors.guests import GuestDiagnosis
from servers.diagnostics import RULE, diagnose_server
from servers.find import find_server
from servers.models import Server

IS_STANDARD = Versioned({"2.1": False, "2.48": True})
_KIB_PER_MIB = 1024
_COUNT = nullable(INTEGER)
_NIC = ("octets", "errors", "drop", "packets", "rate")
_DISK = ("read_bytes", "read_requests", "write_bytes", "write_requests", "errors_count")
BODY = Versioned(
    {
        "2.1": mapping(INTEGER),
        "2.48": record(
            {
                **dict.fromkeys(("state", "driver", "hypervisor", "hypervisor_os"), STRING),
                "uptime": _COUNT,
                "config_drive": BOOLEAN,
                **dict.fromkeys(("num_cpus", "num_nics", "num_disks"), INTEGER),
                "cpu_details": array(
                    record({"id": INTEGER, "time": _COUNT, "utilisation": _COUNT})
                ),
                "nic_details": array(
                    record(
                        {
                            "mac_address": nullable(STRING),
                            **{f"{way}_{name}": _COUNT for way in ("rx", "tx") for name in _NIC},
                        }
                    )
                ),
                "disk_details": array(record(dict.fromkeys(_DISK, _COUNT))),
                "memory_details": record({"maximum": _COUNT, "used": _COUNT}),
            }
        ),
    }
)


class Diagnostics(ComputeView):
    """The counters of one server."""

    @documented("Show diagnostics.", responses={200: BODY}, faults=[409])
    def get(self, request: WireRequest, server_id: str) -> Response:
        """Until 2.47 as libvirt names them, since then by fixed names."""
        server = find_server(actor=request.actor, server_id=server_id, rule=RULE)
        found = diagnose_server(server=server, actor=request.actor)
        if IS_STANDARD.at(request.microversion):
            return Response(_standard(server, found, timezone.now()))
        return Response(_plain(found))


def _plain(found: GuestDiagnosis) -> dict[str, int]:
    usage, memory = found.usage, found.memory_kib
    counters: dict[str, int | None] = {
        f"cpu{number}_time": time for number, time in found.vcpu_times_ns.items()
    }
    for disk in usage.disks:
        counters[f"{disk.device}_read"] = disk.read_bytes
        counters[f"{disk.device}_read_req"] = disk.read_requests
        counters[f"{disk.device}_write"] = disk.write_bytes
        counters[f"{disk.device}_write_req"] = disk.write_requests
    for card in usage.interfaces:
        for way in ("rx", "tx"):
            counters[f"{card.device}_{way}"] = getattr(card, f"{way}_bytes")
            counters[f"{card.device}_{way}_packets"] = getattr(card, f"{way}_packets")
            counters[f"{card.device}_{way}_errors"] = getattr(card, f"{way}_errors")
            counters[f"{card.device}_{way}_drop"] = getattr(card, f"{way}_drops")
    counters["memory"] = memory.get("maximum")
    # The bulk statistics call `actual` what the guest has at the moment by another name.
    counters["memory-actual"] = memory.get("current")
    counters.update(
        (f"memory-{name}", value)
        for name, value in memory.items()
        if name not in ("current", "maximum")
    )
    return {name: value for name, value in counters.items() if value is not None}


def _standard(server: Server, found: GuestDiagnosis, now: datetime) -> dict[str, Any]:
    usage = found.usage
    launched_at = server.launched_at
    return {
        "state": usage.power_state,
        "driver": "libvirt",
        "hypervisor": server.hypervisor.domain_type if server.hypervisor else "",
        "hypervisor_os": "linux",
        "uptime": int((now - launched_at).total_seconds()) if launched_at else None,
        "config_drive": server.has_config_drive,
        "num_cpus": usage.vcpus or len(found.vcpu_times_ns),
        "num_nics": len(usage.interfaces),
        "num_disks": len(usage.disks),
        "cpu_details": [
            {"id": number, "time": time, "utilisation": None}
            for number, time in found.vcpu_times_ns.items()
        ],
        "nic_details": [
            {
                "mac_address": found.mac_addresses.get(card.device),
                **{
                    f"{way}_{name}": value
                    for way in ("rx", "tx")
                    for name, value in {
                        "octets": getattr(card, f"{way}_bytes"),
                        "errors": getattr(card, f"{way}_errors"),
                        "drop": getattr(card, f"{way}_drops"),
                        "packets": getattr(card, f"{way}_packets"),
                        "rate": None,
                    }.items()
                },
            }
            for card in usage.interfaces
        ],
        "disk_details": [
            {
                **{name: getattr(disk, name) for name in _DISK if name != "errors_count"},
                "errors_count": None,  # libvirt counts none for QEMU
            }
            for disk in usage.disks
        ],
        "memory_details": {
            "maximum": found.memory_kib.get("maximum", 0) // _KIB_PER_MIB,
            "used": usage.ram_mib if usage.ram_used_mib is None else usage.ram_used_mib,
        },
    }

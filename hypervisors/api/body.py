"""What hosts look like on the wire at each microversion."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from cloudportal.api.openapi import merged
from cloudportal.api.representation import (
    INTEGER,
    NULL,
    STRING,
    Field,
    Representation,
    array,
    nullable,
    record,
)
from hypervisors.models import HostState, Hypervisor

COMPUTE_BINARY = "nova-compute"


def is_up(hypervisor: Hypervisor) -> bool:
    """Whether a host counts as up."""
    return hypervisor.state == HostState.UP and not hypervisor.is_forced_down


def state_of(hypervisor: Hypervisor) -> str:
    """The wire's word: up or down."""
    return "up" if is_up(hypervisor) else "down"


def status_of(hypervisor: Hypervisor) -> str:
    """The wire's word: enabled or disabled."""
    return "enabled" if hypervisor.is_enabled else "disabled"


def ram_mib_used(hypervisor: Hypervisor) -> int:
    """Claimed and reserved memory."""
    return hypervisor.ram_mib_used + hypervisor.reserved_ram_mib


def cpu_info(hypervisor: Hypervisor) -> dict[str, Any]:
    """What is known of the host's processors."""
    known = hypervisor.capabilities
    return {
        "vendor": known.get("cpu_vendor", ""),
        "arch": hypervisor.arch,
        "model": known.get("cpu_model", ""),
        "features": known.get("cpu_features", []),
        "topology": known.get("topology", {}),
    }


def _service(id_of: Callable[[Hypervisor], int | str]) -> Callable[[Hypervisor], dict[str, Any]]:
    return lambda host: {
        "id": id_of(host),
        "host": host.name,
        "disabled_reason": host.disabled_reason or None,
    }


def _service_form(identifier: dict[str, Any]) -> dict[str, Any]:
    return record({"id": identifier, "host": STRING, "disabled_reason": nullable(STRING)})


def _annotated(name: str) -> Callable[[Hypervisor], Any]:
    """A column that the lookup's query adds."""
    return lambda host: getattr(host, name)


_CPU_INFO = record(
    {
        "vendor": STRING,
        "arch": STRING,
        "model": STRING,
        "features": array(STRING),
        "topology": {"type": "object"},
    }
)
# Shown where they are asked for.
_SERVERS = record({}, {"servers": array(record({"uuid": STRING, "name": STRING}))})
_HEAD: list[Field[Hypervisor]] = [
    Field("id", lambda host: host.pk, INTEGER, until="2.52"),
    Field("id", lambda host: str(host.uuid), STRING, since="2.53"),
    Field("hypervisor_hostname", _annotated("node"), STRING),
    Field("state", state_of, STRING),
    Field("status", status_of, STRING),
]
SHORT: Representation[Hypervisor] = Representation(*_HEAD)
# Until 2.87 the figures are here; from 2.88 on they are the placement service's.
DETAIL: Representation[Hypervisor] = Representation(
    *_HEAD,
    Field("hypervisor_type", lambda host: "QEMU", STRING),
    Field("hypervisor_version", lambda host: host.qemu_version, INTEGER),
    Field("host_ip", lambda host: host.host_ip, STRING),
    Field("service", _service(lambda host: host.pk), _service_form(INTEGER), until="2.52"),
    Field("service", _service(lambda host: str(host.uuid)), _service_form(STRING), since="2.53"),
    Field("vcpus", lambda host: host.vcpus, INTEGER, until="2.87"),
    Field("vcpus_used", lambda host: host.vcpus_used, INTEGER, until="2.87"),
    Field("memory_mb", lambda host: host.ram_mib, INTEGER, until="2.87"),
    Field("memory_mb_used", ram_mib_used, INTEGER, until="2.87"),
    Field("free_ram_mb", lambda host: host.ram_mib - ram_mib_used(host), INTEGER, until="2.87"),
    Field("local_gb", lambda host: host.disk_gib, INTEGER, until="2.87"),
    Field("local_gb_used", lambda host: host.disk_gib_used, INTEGER, until="2.87"),
    Field("free_disk_gb", lambda host: host.disk_gib - host.disk_gib_used, INTEGER, until="2.87"),
    Field(
        "disk_available_least", _annotated("disk_gib_available"), nullable(INTEGER), until="2.87"
    ),
    Field("running_vms", lambda host: host.running_servers, INTEGER, until="2.87"),
    Field("current_workload", _annotated("builds"), INTEGER, until="2.87"),
    Field("cpu_info", lambda host: json.dumps(cpu_info(host)), STRING, until="2.27"),
    Field("cpu_info", cpu_info, _CPU_INFO, since="2.28", until="2.87"),
    # libvirt does not tell how long a host has been up.
    Field("uptime", lambda host: None, NULL, since="2.88"),
)
SHORT_SCHEMA = merged(SHORT, _SERVERS)
DETAIL_SCHEMA = merged(DETAIL, _SERVERS)

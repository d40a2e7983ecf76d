"""What a host is, has and does: inventory and statistics by bulk calls."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import libvirt

from hypervisors.libvirt.baseline import usable_models
from hypervisors.libvirt.connection import on_host
from hypervisors.libvirt.errors import DriverError
from hypervisors.libvirt.firmware import offers_secure_boot, offers_uefi, tpms_offered
from hypervisors.libvirt.guest import POWER_STATES
from hypervisors.libvirt.numa import host_cells
from hypervisors.libvirt.pci import pci_devices
from hypervisors.libvirt.spec import (
    DiskUsage,
    DomainType,
    GuestUsage,
    HostInventory,
    HostStats,
    HostUsage,
    InterfaceUsage,
    OffReason,
)

EMULATED_CPU = "qemu64"
OFF_REASONS: dict[int, OffReason] = {
    libvirt.VIR_DOMAIN_SHUTOFF_UNKNOWN: "unknown",
    libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN: "shutdown",
    libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED: "destroyed",
    libvirt.VIR_DOMAIN_SHUTOFF_CRASHED: "crashed",
    libvirt.VIR_DOMAIN_SHUTOFF_MIGRATED: "migrated",
    libvirt.VIR_DOMAIN_SHUTOFF_SAVED: "saved",
    libvirt.VIR_DOMAIN_SHUTOFF_FAILED: "failed",
    libvirt.VIR_DOMAIN_SHUTOFF_FROM_SNAPSHOT: "snapshot",
    libvirt.VIR_DOMAIN_SHUTOFF_DAEMON: "daemon",
}
_KIB_PER_MIB = 1024
_INVENTORY_S = 90.0  # the first question makes libvirt probe each QEMU binary
_STATS = (
    libvirt.VIR_DOMAIN_STATS_STATE
    | libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
    | libvirt.VIR_DOMAIN_STATS_BALLOON
    | libvirt.VIR_DOMAIN_STATS_VCPU
    | libvirt.VIR_DOMAIN_STATS_INTERFACE
    | libvirt.VIR_DOMAIN_STATS_BLOCK
)


@on_host(_INVENTORY_S)
def inventory(raw: Any) -> HostInventory:
    """What the host is and has. KVM is named only where its CPU can really do it."""
    capabilities = ET.fromstring(raw.getCapabilities())  # noqa: S314 - libvirt's own output
    cpu = capabilities.find("host/cpu")
    if cpu is None:
        raise DriverError("The host does not say what CPU it has.")
    arch = cpu.findtext("arch", "")
    features = _cpu_features(raw, cpu)
    guest = capabilities.find(f"guest/arch[@name='{arch}']")
    types = _domain_types(arch, features, guest)
    domain_capabilities = {kind: _domain_capabilities(raw, arch, kind) for kind in types}
    machines = _machines(guest)
    # Only of q35, which is not the machine that is told of unasked, secure boot is said.
    secure = [_domain_capabilities(raw, arch, kind, "q35") for kind in types if "q35" in machines]
    # The memory in getInfo() leaves out what was added since the host booted.
    _, _, vcpus, _, _, sockets, cores, threads = raw.getInfo()
    memory = raw.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS, 0)
    return HostInventory(
        hostname=raw.getHostname(),
        arch=arch,
        vcpus=vcpus,
        ram_mib=memory["total"] // _KIB_PER_MIB,
        libvirt_version=dotted(raw.getLibVersion()),
        qemu_version=dotted(raw.getVersion()),
        domain_types=types,
        cpu_model=cpu.findtext("model", ""),
        cpu_vendor=cpu.findtext("vendor", ""),
        cpu_features=features,
        guest_cpu_models={
            kind: _guest_cpu_model(kind, found) for kind, found in domain_capabilities.items()
        },
        usable_cpu_models={
            kind: usable_models(found) for kind, found in domain_capabilities.items()
        },
        machines=machines,
        has_uefi=any(map(offers_uefi, domain_capabilities.values())),
        has_secure_boot=any(map(offers_secure_boot, secure or domain_capabilities.values())),
        tpms=tuple(
            sorted({tpm for found in domain_capabilities.values() for tpm in tpms_offered(found)})
        ),
        sockets=sockets,
        cores=cores,
        threads=threads,
        cells=host_cells(capabilities),
        pci_devices=pci_devices(raw),
    )


@on_host()
def stats(raw: Any) -> HostStats:
    """The host's and all its guests' counters, in three calls; a stuck guest holds up none."""
    nowait = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
    guests = tuple(
        parse_domain_stats(UUID(bytes=domain.UUID()), domain.name(), record)
        for domain, record in raw.getAllDomainStats(_STATS, nowait)
    )
    cpu = raw.getCPUStats(libvirt.VIR_NODE_CPU_STATS_ALL_CPUS, 0)
    memory = raw.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS, 0)
    free = sum(memory.get(part, 0) for part in ("free", "buffers", "cached"))
    usage = HostUsage(
        cpu_time_ns=sum(cpu.values()),
        cpu_idle_ns=cpu.get("idle"),
        ram_total_mib=memory["total"] // _KIB_PER_MIB,
        ram_free_mib=free // _KIB_PER_MIB,
    )
    return HostStats(usage, guests)


def parse_domain_stats(uuid: UUID, name: str, record: Mapping[str, Any]) -> GuestUsage:
    """Read one record of `getAllDomainStats`; what an older libvirt does not send is None, not 0.

    RAM in MiB (libvirt counts KiB); CPU time in ns since the guest started, so it falls back to 0
    at a restart. RAM in use is what the guest's balloon driver says, None without one.
    Source: libvirt, virConnectGetAllDomainStats, groups "state", "cpu", "balloon", "vcpu", "net"
    and "block".
    """
    usable, available = record.get("balloon.usable"), record.get("balloon.available")
    state = record.get("state.state", 0)
    used_kib = None if usable is None or available is None else available - usable
    return GuestUsage(
        uuid=uuid,
        name=name,
        power_state=POWER_STATES.get(state, "nostate"),
        cpu_time_ns=record.get("cpu.time"),
        vcpus=record.get("vcpu.current"),
        ram_mib=_mib(record.get("balloon.current")),
        ram_used_mib=_mib(used_kib),
        ram_rss_mib=_mib(record.get("balloon.rss")),
        disks=tuple(
            DiskUsage(
                device=record.get(f"{key}.name", ""),
                read_bytes=record.get(f"{key}.rd.bytes"),
                read_requests=record.get(f"{key}.rd.reqs"),
                write_bytes=record.get(f"{key}.wr.bytes"),
                write_requests=record.get(f"{key}.wr.reqs"),
                allocation_bytes=record.get(f"{key}.allocation"),
                capacity_bytes=record.get(f"{key}.capacity"),
            )
            for key in _numbered(record, "block")
        ),
        interfaces=tuple(
            InterfaceUsage(
                device=record.get(f"{key}.name", ""),
                rx_bytes=record.get(f"{key}.rx.bytes"),
                rx_packets=record.get(f"{key}.rx.pkts"),
                rx_errors=record.get(f"{key}.rx.errs"),
                rx_drops=record.get(f"{key}.rx.drop"),
                tx_bytes=record.get(f"{key}.tx.bytes"),
                tx_packets=record.get(f"{key}.tx.pkts"),
                tx_errors=record.get(f"{key}.tx.errs"),
                tx_drops=record.get(f"{key}.tx.drop"),
            )
            for key in _numbered(record, "net")
        ),
        off_reason=(
            OFF_REASONS.get(record.get("state.reason", 0), "unknown")
            if state == libvirt.VIR_DOMAIN_SHUTOFF
            else None
        ),
    )


def dotted(version: int) -> str:
    """libvirt's numbers, 9000000, as people write them: 9.0.0."""
    return f"{version // 1000000}.{version // 1000 % 1000}.{version % 1000}"


def _mib(kib: int | None) -> int | None:
    return None if kib is None else kib // _KIB_PER_MIB


def _numbered(record: Mapping[str, Any], group: str) -> list[str]:
    return [f"{group}.{number}" for number in range(record.get(f"{group}.count", 0))]


def _cpu_features(raw: Any, cpu: ET.Element) -> tuple[str, ...]:
    """All features, also those the model's name stands for (svm is part of EPYC)."""
    listed = {feature.get("name", "") for feature in cpu.iterfind("feature")}
    if cpu.find("model") is not None:
        flags = libvirt.VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES
        text = raw.baselineCPU([ET.tostring(cpu, encoding="unicode")], flags)
        expanded = ET.fromstring(text)  # noqa: S314 - libvirt's own output
        listed |= {
            feature.get("name", "")
            for feature in expanded.iterfind("feature")
            if feature.get("policy") != "disable"
        }
    return tuple(sorted(listed))


def _domain_types(
    arch: str, features: tuple[str, ...], guest: ET.Element | None
) -> tuple[DomainType, ...]:
    """Best first. A host may offer KVM, by a device that is there, and boot no guest with it."""
    offered = set() if guest is None else {each.get("type") for each in guest.iterfind("domain")}
    # Only on x86 is it a feature of the CPU that libvirt lists.
    is_able = arch not in ("x86_64", "i686") or bool({"vmx", "svm"} & set(features))
    types: list[DomainType] = []
    if "kvm" in offered and is_able:
        types.append("kvm")
    if "qemu" in offered:
        types.append("qemu")
    return tuple(types)


def _domain_capabilities(
    raw: Any, arch: str, kind: DomainType, machine: str | None = None
) -> ET.Element:
    text = raw.getDomainCapabilities(None, arch, machine, kind, 0)
    return ET.fromstring(text)  # noqa: S314 - libvirt's own output


def _guest_cpu_model(kind: DomainType, found: ET.Element) -> str:
    """A named model, so that a guest can move: KVM's is the host's nearest."""
    if kind == "qemu":
        return EMULATED_CPU
    return found.findtext("cpu/mode[@name='host-model']/model", EMULATED_CPU)


def _machines(guest: ET.Element | None) -> dict[str, str]:
    if guest is None:
        return {}
    machines = ((each.text or "", each.get("canonical")) for each in guest.iterfind("machine"))
    return {name: canonical or name for name, canonical in machines}

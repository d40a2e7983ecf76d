"""Guests on their hosts, one per server and of the same uuid; every call may be made twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from hypervisors.connections import connected
from hypervisors.errors import GuestNotFound, GuestPropertyRefused, HostCannot, NotOnHost
from hypervisors.host import Host
from hypervisors.libvirt import features as features_room
from hypervisors.libvirt.baseline import family_of
from hypervisors.libvirt.diagnostics import GuestDiagnosis
from hypervisors.libvirt.errors import DriverError, HostUnreachable
from hypervisors.libvirt.features import GuestFeatures
from hypervisors.libvirt.properties import EXTRA_SPEC, InvalidProperty
from hypervisors.libvirt.records import (
    DiskRecord,
    FixedIpRecord,
    FlavorRecord,
    GroupRuleRecord,
    GuestMetadata,
    ImageRecord,
    NetworkRecord,
    PortRecord,
    ProjectRecord,
    SecurityGroupRecord,
    SubnetRecord,
    VolumeRecord,
)
from hypervisors.libvirt.spec import (
    DiskSpec,
    DomainType,
    GuestInfo,
    GuestSpec,
    GuestUsage,
    InterfaceSpec,
)
from hypervisors.models import Hypervisor, StoragePool
from hypervisors.platforms import PlatformWish
from hypervisors.pools import log_pool_of

__all__ = [
    "DiskRecord", "DiskSpec", "FixedIpRecord", "FlavorRecord",
    "GroupRuleRecord", "GuestDiagnosis", "GuestFeatures", "GuestInfo",
    "GuestMetadata", "GuestSpec", "GuestUsage", "ImageRecord", "InterfaceSpec", "NetworkRecord",
    "Platform", "PortRecord", "ProjectRecord", "SecurityGroupRecord", "SubnetRecord",
    "VolumeRecord", "as_made",
    "define_guest", "diagnose_guest", "guest_features", "guest_info", "interrupt_guest",
    "pause_guest", "platform_of",
    "read_console", "reboot_guest", "redefine_guest", "refresh_metadata", "remove_guest",
    "resume_guest",
    "screenshot", "start_guest", "stop_guest", "suspend_guest", "unpause_guest",
]  # fmt: skip

SOFT_REBOOT_S = 60.0
_MACHINES = {"x86_64": "q35", "i686": "pc", "aarch64": "virt", "armv7l": "virt", "riscv64": "virt",
             "ppc64le": "pseries", "s390x": "s390-ccw-virtio"}  # fmt: skip


@dataclass(frozen=True)
class Platform:
    """What a host makes a guest of; goes into the guest's specification."""

    arch: str
    domain_type: DomainType
    cpu_model: str
    machine: str


def guest_features(
    extra_specs: Mapping[str, str], image_properties: Mapping[str, str]
) -> GuestFeatures:
    """What a flavor and an image together ask of a guest; needs no host.

    Raises:
        GuestPropertyRefused: something that cannot be honoured.
    """
    try:
        return features_room.guest_features(extra_specs, image_properties)
    except InvalidProperty as error:
        is_of_flavor = error.source == EXTRA_SPEC
        raise GuestPropertyRefused(str(error), is_of_flavor=is_of_flavor) from error


def check_topology(features: GuestFeatures, vcpus: int) -> tuple[int, int, int]:
    """Sockets, cores and threads within the maxima that make up the vCPUs.

    Raises:
        GuestPropertyRefused: none do.
    """
    try:
        return features_room.choose_topology(vcpus, features.topology, features.max_topology)
    except InvalidProperty as error:
        raise GuestPropertyRefused(str(error), is_of_flavor=True) from error


def platform_of(
    hypervisor: Hypervisor, features: GuestFeatures, wish: PlatformWish | None = None
) -> Platform:
    """The host's way to run such a guest, with a versioned machine type so that it can move.

    Raises:
        HostCannot: the host has no such machine type, firmware, TPM or CPU model.
    """
    wish = wish or PlatformWish()
    _check_firmware(hypervisor, features)
    domain_type: DomainType = "kvm" if hypervisor.domain_type == "kvm" else "qemu"
    return Platform(
        arch=hypervisor.arch,
        domain_type=domain_type,
        cpu_model=_cpu_model(hypervisor, domain_type, wish),
        machine=_machine(hypervisor, features, wish),
    )


def _check_firmware(hypervisor: Hypervisor, features: GuestFeatures) -> None:
    known = hypervisor.capabilities
    if features.firmware == "uefi" and not known.get("has_uefi"):
        raise HostCannot("The host has no UEFI firmware.", detail=hypervisor.name)
    if features.secure_boot and not known.get("has_secure_boot"):
        raise HostCannot("The host has no firmware with secure boot.", detail=hypervisor.name)
    if features.tpm and features.tpm not in known.get("tpms", []):
        raise HostCannot("The host emulates no such TPM.", detail=hypervisor.name)


def _machine(hypervisor: Hypervisor, features: GuestFeatures, wish: PlatformWish) -> str:
    """The type that the image names, in the version that its family has here."""
    machines: Mapping[str, str] = hypervisor.capabilities.get("machines", {})
    wanted = features.machine_type or _MACHINES.get(hypervisor.arch, "virt")
    # A versioned type is an entry of its own, not behind another name.
    if wanted not in machines and wanted not in machines.values():
        raise HostCannot(
            "The host has no such machine type.", detail=f"{hypervisor.name}: {wanted}"
        )
    newest = machines.get(wanted, wanted)
    if newest == wanted:
        return newest
    family = family_of(newest)
    if wish.machine and family_of(wish.machine) == family:
        if wish.machine not in machines and wish.machine not in machines.values():
            raise HostCannot(
                "The host lacks the machine type of its group.",
                detail=f"{hypervisor.name}: {wish.machine}",
            )
        return wish.machine
    return wish.shared_machines.get(family) or newest


def _cpu_model(hypervisor: Hypervisor, domain_type: DomainType, wish: PlatformWish) -> str:
    known = hypervisor.capabilities
    if wish.cpu_model:
        if wish.cpu_model not in known.get("usable_cpu_models", {}).get(domain_type, []):
            raise HostCannot(
                "The host cannot give guests the CPU model of its group.",
                detail=f"{hypervisor.name}: {wish.cpu_model}",
            )
        return wish.cpu_model
    own = str(known.get("guest_cpu_models", {}).get(domain_type, "qemu64"))
    # What is emulated is the same everywhere.
    return wish.shared_cpu_model or own if domain_type == "kvm" else own


def as_made(spec: GuestSpec, hypervisor: Hypervisor, *, machine: str, cpu_model: str) -> GuestSpec:
    """The guest as it was made: another version or model would be new hardware to it.

    Not with a machine type of another family, for which it is asked now, nor with a CPU that the
    host cannot give it any more.
    """
    if machine and family_of(machine) == family_of(spec.machine):
        spec = dataclasses.replace(spec, machine=machine)
    usable = hypervisor.capabilities.get("usable_cpu_models", {}).get(spec.domain_type, [])
    if cpu_model in usable:
        spec = dataclasses.replace(spec, cpu_model=cpu_model)
    return spec


def define_guest(hypervisor: Hypervisor, spec: GuestSpec) -> GuestInfo:
    """Make the guest known to its host, with its serial log beside its first disk if it can be.

    Raises:
        GuestPropertyRefused: the features contradict the rest of the specification.
    """
    with connected(hypervisor) as host:
        if spec.disks and spec.console_log_path is None:
            pool = log_pool_of(hypervisor, spec.disks[0].pool)
            path = host.prepare_console_log(pool, spec.uuid)
            spec = dataclasses.replace(spec, console_log_path=path)
        return host.define_guest(spec)


def redefine_guest(hypervisor: Hypervisor, spec: GuestSpec) -> GuestInfo:
    """Switch the guest off, forget it with its firmware's variables, and define it as new.

    Its disks and its serial log stay.

    Raises:
        GuestPropertyRefused: the features contradict the rest of the specification.
    """
    with connected(hypervisor) as host:
        host.remove_guest(spec.uuid)
    return define_guest(hypervisor, spec)


def start_guest(hypervisor: Hypervisor, server_id: UUID) -> None:
    """Start the guest; one that runs is left alone.

    Raises:
        GuestNotFound: the host does not have it.
    """
    with _connected_to_guest(hypervisor) as host:
        host.start_guest(server_id)


def stop_guest(hypervisor: Hypervisor, server_id: UUID, timeout_s: float) -> bool:
    """Ask the guest to stop, then switch it off; whether it went by itself. 0 does not ask.

    Raises:
        GuestNotFound: the host does not have it.
    """
    with _connected_to_guest(hypervisor) as host:
        if timeout_s > 0:
            return host.shutdown_guest(server_id, timeout_s)
        host.guest_info(server_id)
        host.destroy_guest(server_id)
        return False


def reboot_guest(
    hypervisor: Hypervisor, server_id: UUID, *, hard: bool, timeout_s: float = SOFT_REBOOT_S
) -> bool:
    """Let the guest start anew, in any case; whether it stopped by itself before.

    Raises:
        GuestNotFound: the host does not have it.
    """
    with _connected_to_guest(hypervisor) as host:
        if not hard and host.reboot_soft(server_id, timeout_s):
            return True
        host.reboot_hard(server_id)
        return False


def pause_guest(hypervisor: Hypervisor, server_id: UUID) -> None:
    """Halt the guest with its memory in place.

    Raises:
        GuestNotFound: the host does not have it.
        WrongGuestState: it is off.
    """
    with _connected_to_guest(hypervisor) as host:
        host.pause_guest(server_id)


def unpause_guest(hypervisor: Hypervisor, server_id: UUID) -> None:
    """Let a halted guest run on.

    Raises:
        GuestNotFound: the host does not have it.
        WrongGuestState: it is off.
    """
    with _connected_to_guest(hypervisor) as host:
        host.unpause_guest(server_id)


def suspend_guest(hypervisor: Hypervisor, server_id: UUID) -> None:
    """Write the guest's memory to its host's disk and switch it off.

    Raises:
        GuestNotFound: the host does not have it.
        WrongGuestState: it is off, and nothing of it is saved.
    """
    with _connected_to_guest(hypervisor) as host:
        host.suspend_guest(server_id)


def resume_guest(hypervisor: Hypervisor, server_id: UUID, *, may_boot: bool = True) -> None:
    """Let a suspended guest run on; with nothing saved it boots, or without `may_boot` stays off.

    Raises:
        GuestNotFound: the host does not have it.
    """
    with _connected_to_guest(hypervisor) as host:
        host.resume_guest(server_id, may_boot=may_boot)


def interrupt_guest(hypervisor: Hypervisor, server_id: UUID) -> None:
    """Send the guest the interrupt at which its operating system dumps its memory.

    Raises:
        GuestNotFound: the host does not have it.
        WrongGuestState: it is off.
        HostCannot: its machine has no such interrupt.
    """
    with _connected_to_guest(hypervisor) as host:
        host.interrupt_guest(server_id)


def remove_guest(hypervisor: Hypervisor, server_id: UUID) -> None:
    """Switch the guest off and forget it with its serial log; its disks stay. Absent is fine."""
    with connected(hypervisor) as host:
        host.remove_guest(server_id)
        for pool in StoragePool.objects.filter(hypervisor=hypervisor):
            host.remove_console_log(pool.name, server_id)


def guest_info(hypervisor: Hypervisor, server_id: UUID) -> GuestInfo | None:
    """The guest as its host has it, or None."""
    try:
        with connected(hypervisor) as host:
            return host.guest_info(server_id)
    except NotOnHost:
        return None


def refresh_metadata(hypervisor: Hypervisor, server_id: UUID, metadata: GuestMetadata) -> None:
    """Put this in place of the guest's metadata; the guest notices nothing.

    Where the guest's disks, NUMA nodes and devices are is known best by who made them: it stays as
    it is written there.

    Raises:
        GuestNotFound: the host does not have it.
    """
    with _connected_to_guest(hypervisor) as host:
        known = _metadata_on(host, server_id)
        if known is not None and known.disks:
            metadata = dataclasses.replace(
                metadata, disks=known.disks, numa=known.numa, pci=known.pci
            )
        if metadata != known:
            host.write_metadata(server_id, metadata)


def _metadata_on(host: Host, server_id: UUID) -> GuestMetadata | None:
    try:
        return host.read_metadata(server_id)
    except HostUnreachable:
        raise
    except DriverError:
        return None  # taken off or damaged by hand: it is written anew


def read_console(
    hypervisor: Hypervisor, server_id: UUID, *, pool: str = "", max_bytes: int = 1024 * 1024
) -> str:
    """The end of the guest's serial log; empty where there is none.

    Args:
        hypervisor: the guest's host.
        server_id: the guest.
        pool: where its root disk lies; the first pool with a log when empty.
        max_bytes: how much of the end.
    """
    names = StoragePool.objects.filter(hypervisor=hypervisor).order_by("-is_default", "name")
    pools = [pool] if pool else list(names.values_list("name", flat=True))
    with connected(hypervisor) as host:
        for name in pools:
            log = host.read_console_log(name, server_id, offset=None, max_bytes=max_bytes)
            if log.content:
                return log.content.decode(errors="replace")
    return ""


def diagnose_guest(hypervisor: Hypervisor, server_id: UUID) -> GuestDiagnosis:
    """The guest's counters in detail; asks the host, for a few seconds at most.

    Raises:
        GuestNotFound: the host does not have it.
        HostUnreachable: the host does not answer.
    """
    with _connected_to_guest(hypervisor) as host:
        return host.diagnose(server_id)


def screenshot(hypervisor: Hypervisor, server_id: UUID) -> bytes:
    """The guest's display as a PNG.

    Raises:
        GuestNotFound: the host does not have it.
        WrongGuestState: it does not run.
    """
    with _connected_to_guest(hypervisor) as host:
        return host.screenshot(server_id)


@contextmanager
def _connected_to_guest(hypervisor: Hypervisor) -> Iterator[Host]:
    try:
        with connected(hypervisor) as host:
            yield host
    except NotOnHost as error:
        raise GuestNotFound("The host does not have the guest.", detail=error.detail) from error

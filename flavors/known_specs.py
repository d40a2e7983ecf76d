"""The extra specs that mean something, by name, with the values each takes.

Names outside the known name spaces are free: they are matched with aggregates or used by
somebody else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from flavors.errors import InvalidExtraSpec

Check = Callable[[str], bool]

TRUE_OR_FALSE = {"1", "t", "true", "on", "y", "yes", "0", "f", "false", "off", "n", "no"}
MAX_UNSIGNED = 2**64 - 1
NAMESPACES = frozenset(
    [
        *("accel", "aggregate_instance_extra_specs", "capabilities", "hw", "hw_rng", "hw_video"),
        *("os", "pci_passthrough", "quota", "resources", "trait", "vmware"),
    ]
)


def _boolean(value: str) -> bool:
    return value.strip().lower() in TRUE_OR_FALSE


def _any(value: str) -> bool:
    return True


def _one_of(*words: str) -> Check:
    return lambda value: value in words


def _matching(pattern: str) -> Check:
    compiled = re.compile(pattern)
    return lambda value: compiled.fullmatch(value) is not None


def _integer(minimum: int, maximum: int | None = None) -> Check:
    def check(value: str) -> bool:
        if re.fullmatch(r"-?[0-9]{1,20}", value) is None:
            return False
        return minimum <= int(value) and (maximum is None or int(value) <= maximum)

    return check


def _cpu_quota(value: str) -> bool:
    # A negative quota is the kernel's word for unlimited.
    return _integer(1000, MAX_UNSIGNED)(value) or _integer(-MAX_UNSIGNED, -1)(value)


_CPU_MASK = r"\^?\d+(-\d+)?(,\^?\d+(-\d+)?)*"

_EXACT: dict[str, Check] = {
    "accel:device_profile": _any,
    "hw:cpu_policy": _one_of("shared", "dedicated", "mixed"),
    "hw:cpu_thread_policy": _one_of("prefer", "isolate", "require"),
    "hw:cpu_dedicated_mask": _matching(_CPU_MASK),
    "hw:emulator_threads_policy": _one_of("share", "isolate"),
    "hw:cpu_realtime": _boolean,
    "hw:cpu_realtime_mask": _matching(_CPU_MASK),
    "hw:numa_nodes": _integer(1),
    "hw:mem_page_size": _matching(r"small|large|any|\d+([kKMGT]i?)?(b|bit|B)?"),
    "hw:locked_memory": _boolean,
    "hw:pci_numa_affinity_policy": _one_of("required", "preferred", "legacy", "socket"),
    "hw:boot_menu": _boolean,
    "hw:serial_port_count": _integer(0),
    "hw:watchdog_action": _one_of("disabled", "none", "pause", "poweroff", "reset"),
    "hw:vif_multiqueue_enabled": _boolean,
    "hw:virtio_packed_ring": _boolean,
    "hw:pmu": _boolean,
    "hw:hide_hypervisor_id": _boolean,
    "hw:tpm_model": _one_of("tpm-tis", "tpm-crb"),
    "hw:tpm_version": _one_of("1.2", "2.0"),
    "hw:mem_encryption": _boolean,
    "hw:mem_encryption_model": _one_of("amd-sev", "amd-sev-es", "amd-sev-snp"),
    "hw:viommu_model": _one_of("intel", "smmuv3", "virtio", "auto"),
    "hw:sound_model": _one_of("sb16", "es1370", "pcspk", "ac97", "ich6", "ich9", "usb", "virtio"),
    "hw:usb_model": _one_of("none", "nec-xhci", "qemu-xhci"),
    "hw:redirected_usb_ports": _integer(0, 15),
    "hw_rng:allowed": _boolean,
    "hw_rng:rate_bytes": _integer(0),
    "hw_rng:rate_period": _integer(0),
    "hw_video:ram_max_mb": _integer(0),
    "os:secure_boot": _one_of("disabled", "required"),
    "pci_passthrough:alias": _matching(r"[^:,]+:\d+(,[^:,]+:\d+)*"),
    "quota:cpu_shares": _integer(0),
    "quota:cpu_period": _integer(1000, 1_000_000),
    "quota:cpu_quota": _cpu_quota,
    "vmware:hw_version": _any,
    "vmware:storage_policy": _any,
}
_PATTERNS: list[tuple[re.Pattern[str], Check]] = [
    (re.compile(pattern), check)
    for pattern, check in [
        (r"hw:cpu_(max_)?(sockets|cores|threads)", _integer(1)),
        (r"hw:numa_cpus\.\d+", _matching(_CPU_MASK)),
        (r"hw:numa_mem\.\d+", _integer(1)),
        (r"quota:disk_(read|write|total)_(bytes|iops)_sec", _integer(0)),
        (r"quota:vif_(inbound|outbound)_(average|peak|burst)", _integer(0)),
        (r"resources[A-Za-z0-9_-]{0,64}:[A-Z][A-Z0-9_]*", _integer(0)),
        (r"trait[A-Za-z0-9_-]{0,64}:[A-Z][A-Z0-9_]*", _one_of("required", "forbidden")),
        (r"(aggregate_instance_extra_specs|capabilities):.+", _any),
    ]
]


def check_known_specs(specs: Mapping[str, str]) -> None:
    """Check names and values in the known name spaces.

    Raises:
        InvalidExtraSpec: with the first name or value that means nothing.
    """
    for key, value in specs.items():
        if not _is_known_namespace(key):
            continue
        check = _check_for(key)
        if check is None:
            raise InvalidExtraSpec(
                f"Validation failed; extra spec '{key}' does not appear to be a valid extra spec."
            )
        if not check(value):
            raise InvalidExtraSpec(
                f"Validation failed; '{value}' is not a valid value of extra spec '{key}'."
            )


def _is_known_namespace(key: str) -> bool:
    if ":" not in key:
        return False
    namespace = key.split(":", 1)[0]
    return namespace in NAMESPACES or bool(
        # Numbered or named groups: resources1:VGPU, trait_NIC:HW_NIC_SRIOV.
        re.fullmatch(r"(resources|trait)(\d+|_[A-Za-z0-9_-]+)", namespace)
    )


def _check_for(key: str) -> Check | None:
    if key in _EXACT:
        return _EXACT[key]
    return next((check for pattern, check in _PATTERNS if pattern.fullmatch(key)), None)

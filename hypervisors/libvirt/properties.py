"""The extra specs and image properties that concern a guest, and how each one's value is read.

A key of a namespace that concerns the guest is honoured or refused, never passed over.
"""

from collections.abc import Callable, Mapping
from typing import Any

from hypervisors.libvirt.numa_request import is_read_here

EXTRA_SPEC = "extra spec"
IMAGE_PROPERTY = "image property"
# So many of one kind has no guest room for.
_MOST_DEVICES = 32


class InvalidProperty(ValueError):
    """An extra spec or image property that cannot be honoured; `source` says which of the two."""

    def __init__(self, key: str, value: str, why: str, source: str = IMAGE_PROPERTY) -> None:
        super().__init__(f"{source} {key} = {value!r}: {why}")
        self.key = key
        self.value = value
        self.why = why
        self.source = source


Parser = Callable[[str], Any]


def _one_of(*allowed: str) -> Parser:
    def parse(text: str) -> str:
        if text.lower() not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return text.lower()

    return parse


def _whole(least: int, most: int = 2**63 - 1) -> Parser:
    def parse(text: str) -> int:
        if not text.strip().lstrip("-").isdecimal() or not least <= int(text) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(text)

    return parse


def _boolean(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in ("1", "t", "true", "on", "y", "yes"):
        return True
    if lowered in ("0", "f", "false", "off", "n", "no"):
        return False
    raise ValueError("must be a boolean")


def _machine_type(text: str) -> str:
    if not text or not all(char.isalnum() or char in "-._" for char in text):
        raise ValueError("is no machine type")
    return text


def _cpu_quota(text: str) -> int:
    """Any negative number means no limit, which libvirt writes as -1."""
    quota: int = _whole(-(2**63), 17592186044415)(text)
    if 0 <= quota < 1000:
        raise ValueError("must be at least 1000, or negative for no limit")
    return max(quota, -1)


def _aliases(text: str) -> str:
    """Names of devices with how many of each, `gpu:2,nic:1`, each name once."""
    counts: dict[str, int] = {}
    for wish in text.split(","):
        name, colon, count = wish.strip().rpartition(":")
        if not (name and colon and count.isascii() and count.isdigit()):
            raise ValueError("must be names with how many, such as gpu:1,nic:2")
        counts[name] = counts.get(name, 0) + int(count)
    if not all(0 < count <= _MOST_DEVICES for count in counts.values()):
        raise ValueError(f"must be from 1 to {_MOST_DEVICES} of each")
    return ",".join(f"{name}:{count}" for name, count in counts.items())


_WATCHDOG = _one_of("disabled", "none", "pause", "poweroff", "reset")
_DISK_BUS = _one_of("virtio", "scsi", "sata", "ide", "usb")
_TPM_VERSION = _one_of("1.2", "2.0")
_TPM_MODEL = _one_of("tpm-tis", "tpm-crb")
_COUNT = _whole(1, 4096)
_AMOUNT = _whole(0)
# What libvirt takes, and tc after it; a host would refuse more only when the guest starts.
_DISK_LIMIT = _whole(0, 10**15)
_VIF_LIMIT = _whole(0, 2**32 // 1024 - 1)
# The weights of cgroups are to 10000 in their second version, which most hosts have.
_SHARES = _whole(0, 10000)

# key -> (name among what is gathered, parser). Names with a dot are assembled below.
_IMAGE: dict[str, tuple[str, Parser]] = {
    "hw_disk_bus": ("disk_bus", _DISK_BUS),
    "hw_cdrom_bus": ("cdrom_bus", _one_of("scsi", "sata", "ide", "usb")),
    "hw_scsi_model": (
        "scsi_model",
        _one_of("virtio-scsi", "lsilogic", "lsisas1068", "lsisas1078", "buslogic"),
    ),
    "hw_vif_model": (
        "vif_model",
        _one_of("virtio", "e1000", "e1000e", "igb", "rtl8139", "ne2k_pci", "pcnet", "vmxnet3"),
    ),
    "hw_vif_multiqueue_enabled": ("vif_multiqueue", _boolean),
    "hw_machine_type": ("machine_type", _machine_type),
    "hw_firmware_type": ("firmware", _one_of("bios", "uefi")),
    "hw_video_model": (
        "video_model",
        _one_of("vga", "cirrus", "qxl", "virtio", "bochs", "ramfb", "none"),
    ),
    "hw_video_ram": ("video_ram_mib", _whole(1, 4096)),
    "hw_rng_model": ("rng_model", _one_of("virtio")),
    "hw_watchdog_action": ("watchdog_action", _WATCHDOG),
    "hw_qemu_guest_agent": ("has_guest_agent", _boolean),
    "os_type": ("os_type", _one_of("linux", "windows")),
    "os_secure_boot": ("secure_boot", _one_of("disabled", "optional", "required")),
    "hw_tpm_version": ("tpm_version", _TPM_VERSION),
    "hw_tpm_model": ("tpm_model", _TPM_MODEL),
    "hw_input_bus": ("tablet_bus", _one_of("usb", "virtio")),
    "hw_pointer_model": ("pointer_model", _one_of("usbtablet")),
    "hw_boot_menu": ("boot_menu", _boolean),
    "hw_pmu": ("has_pmu", _boolean),
    "hw_time_hpet": ("has_hpet", _boolean),
    "img_hide_hypervisor_id": ("hides_hypervisor", _boolean),
    "hw_locked_memory": ("locked_memory", _boolean),
    **{
        f"hw_cpu_{word}{part}": (f"{word}topology.{part}", _COUNT)
        for word in ("", "max_")
        for part in ("sockets", "cores", "threads")
    },
}
_FLAVOR: dict[str, tuple[str, Parser]] = {
    "hw:vif_multiqueue_enabled": ("vif_multiqueue", _boolean),
    "hw:boot_menu": ("boot_menu", _boolean),
    "hw:watchdog_action": ("watchdog_action", _WATCHDOG),
    "hw:pmu": ("has_pmu", _boolean),
    "hw:hide_hypervisor_id": ("hides_hypervisor", _boolean),
    "hw:locked_memory": ("locked_memory", _boolean),
    "os:secure_boot": ("secure_boot", _one_of("disabled", "required")),
    "hw:tpm_version": ("tpm_version", _TPM_VERSION),
    "hw:tpm_model": ("tpm_model", _TPM_MODEL),
    "hw_rng:allowed": ("has_rng", _boolean),
    "hw_rng:rate_bytes": ("rng_rate_bytes", _AMOUNT),
    "hw_rng:rate_period": ("rng_rate_period_ms", _whole(1, 2**31 - 1)),
    "hw_video:ram_max_mb": ("video_ram_max_mib", _AMOUNT),
    "pci_passthrough:alias": ("pci", _aliases),
    "quota:cpu_shares": ("cpu_shares", _SHARES),
    "quota:cpu_period": ("cpu_period_us", _whole(1000, 1000000)),
    "quota:cpu_quota": ("cpu_quota_us", _cpu_quota),
    **{
        f"quota:disk_{way}_{unit}_sec": (f"disk_{way}_{unit}", _DISK_LIMIT)
        for way in ("read", "write", "total")
        for unit in ("bytes", "iops")
    },
    **{
        f"quota:vif_{way}_{part}": (f"vif_{way}.{part}", _VIF_LIMIT)
        for way in ("inbound", "outbound")
        for part in ("average", "peak", "burst")
    },
    **{
        f"hw:cpu_{word}{part}": (f"{word}topology.{part}", _COUNT)
        for word in ("", "max_")
        for part in ("sockets", "cores", "threads")
    },
}
_IMAGE_NAMESPACES = ("hw_", "img_hide_", "os_secure_boot", "os_type")
_FLAVOR_NAMESPACES = (
    *("hw:", "hw_rng:", "hw_video:", "quota:", "os:"),
    *("pci_passthrough:", "accel:"),
)
# Read elsewhere: by the scheduler, or by a rescue of the server.
_ELSEWHERE = ("hw_architecture", "hw_rescue_bus", "hw_rescue_device")


def of_flavor(extra_specs: Mapping[str, str]) -> dict[str, Any]:
    """What a flavor says, by the name among features.

    Raises:
        InvalidProperty: a bad value, or something this portal cannot do.
    """
    return _gather(extra_specs, _FLAVOR, _FLAVOR_NAMESPACES, EXTRA_SPEC)


def of_image(properties: Mapping[str, str]) -> dict[str, Any]:
    """What an image says, in the same way."""
    return _gather(properties, _IMAGE, _IMAGE_NAMESPACES, IMAGE_PROPERTY)


def _gather(
    given: Mapping[str, str],
    table: Mapping[str, tuple[str, Parser]],
    namespaces: tuple[str, ...],
    source: str,
) -> dict[str, Any]:
    gathered: dict[str, Any] = {}
    for key, value in given.items():
        if key in _ELSEWHERE or is_read_here(key):
            continue
        if key not in table:
            if key.startswith(namespaces):
                raise InvalidProperty(key, value, "is not supported here", source)
            continue
        name, parse = table[key]
        try:
            gathered[name] = parse(value)
        except ValueError as error:
            raise InvalidProperty(key, value, str(error), source) from error
    return gathered

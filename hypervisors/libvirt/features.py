"""What flavor extra specs and image properties ask of a guest, checked and made one.

Meaning and precedence follow nova's documentation of extra specs and of image properties. A key of
a namespace that concerns the guest is honoured or refused, never passed over.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hypervisors.libvirt.numa_request import is_read_here

EXTRA_SPEC = "extra spec"
Firmware = Literal["bios", "uefi"]
OsType = Literal["linux", "windows"]


class InvalidProperty(ValueError):
    """An extra spec or image property that cannot be honoured; `source` says which of the two."""

    def __init__(self, key: str, value: str, why: str, source: str = "image property") -> None:
        super().__init__(f"{source} {key} = {value!r}: {why}")
        self.key = key
        self.value = value
        self.why = why
        self.source = source


@dataclass(frozen=True)
class Topology:
    """Sockets, cores and threads wished for, or at most; None is free."""

    sockets: int | None = None
    cores: int | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Bandwidth:
    """One direction of a network card: kB/s, kB/s and kB."""

    average: int
    peak: int | None = None
    burst: int | None = None


@dataclass(frozen=True)
class GuestFeatures:
    """How a guest is put together; None leaves the choice to the domain's XML."""

    firmware: Firmware = "bios"
    secure_boot: bool = False
    tpm_version: str | None = None
    tpm_model: str | None = None
    os_type: OsType = "linux"
    machine_type: str | None = None
    disk_bus: str = "virtio"
    cdrom_bus: str | None = None
    scsi_model: str = "virtio-scsi"
    vif_model: str = "virtio"
    vif_multiqueue: bool = False
    video_model: str | None = None
    video_ram_mib: int | None = None
    has_rng: bool = True
    rng_rate_bytes: int | None = None
    rng_rate_period_ms: int | None = None
    watchdog_action: str | None = None
    has_guest_agent: bool = False
    tablet_bus: Literal["usb", "virtio"] | None = None
    boot_menu: bool = False
    topology: Topology = Topology()
    max_topology: Topology = Topology()
    has_pmu: bool | None = None
    has_hpet: bool = False
    hides_hypervisor: bool = False
    locked_memory: bool = False
    cpu_shares: int | None = None
    cpu_period_us: int | None = None
    cpu_quota_us: int | None = None
    disk_read_bytes: int | None = None
    disk_write_bytes: int | None = None
    disk_total_bytes: int | None = None
    disk_read_iops: int | None = None
    disk_write_iops: int | None = None
    disk_total_iops: int | None = None
    vif_inbound: Bandwidth | None = None
    vif_outbound: Bandwidth | None = None

    @property
    def tpm(self) -> str:
        """The TPM as hosts name theirs, `model:version`; "" is none."""
        return f"{self.tpm_model}:{self.tpm_version}" if self.tpm_version else ""


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
# Where both speak, these of the flavor stand; for the others the image is the nearer word.
_FLAVOR_WINS = ("has_pmu", "vif_multiqueue", "locked_memory", "hides_hypervisor")


def guest_features(
    extra_specs: Mapping[str, str], image_properties: Mapping[str, str]
) -> GuestFeatures:
    """What the two together ask for.

    Raises:
        InvalidProperty: a bad value, a contradiction, or something this portal cannot do.
    """
    flavor = _gather(extra_specs, _FLAVOR, _FLAVOR_NAMESPACES, EXTRA_SPEC)
    image = _gather(image_properties, _IMAGE, _IMAGE_NAMESPACES, "image property")
    _check_video_ram(flavor, image)
    _check_maxima(flavor, image, image_properties)
    merged = {**flavor, **image}
    merged.update({name: flavor[name] for name in _FLAVOR_WINS if name in flavor})
    merged["secure_boot"] = _secure_boot(flavor, image)
    _check_tpm(flavor, image, merged)
    if "tpm_version" in merged:
        merged.setdefault("tpm_model", "tpm-tis")
    built: dict[str, Any] = {}
    for name in ("topology", "max_topology"):
        built[name] = Topology(**_parts(merged, name))
    for name in ("vif_inbound", "vif_outbound"):
        built[name] = _bandwidth(flavor, name)
    _check_disk_limits(flavor)
    if "tablet_bus" not in merged and _wants_tablet(merged):
        merged["tablet_bus"] = "usb"
    if merged.get("watchdog_action") == "disabled":
        del merged["watchdog_action"]
    known = GuestFeatures.__dataclass_fields__
    plain = {name: value for name, value in merged.items() if name in known}
    return GuestFeatures(**plain, **built)


def choose_topology(vcpus: int, wish: Topology, most: Topology) -> tuple[int, int, int]:
    """Sockets, cores and threads that make up the vCPUs: nearest to the wish, within the maxima.

    Raises:
        InvalidProperty: no product within the maxima makes up the vCPUs.
    """
    possible = [
        (sockets, cores, vcpus // sockets // cores)
        for sockets in range(1, vcpus + 1)
        if vcpus % sockets == 0
        for cores in range(1, vcpus // sockets + 1)
        if (vcpus // sockets) % cores == 0
    ]
    limits = (most.sockets, most.cores, most.threads)
    wishes = (wish.sockets, wish.cores, wish.threads)
    allowed = [
        shape
        for shape in possible
        if all(limit is None or size <= limit for size, limit in zip(shape, limits, strict=True))
    ]
    if not allowed:
        raise InvalidProperty("hw:cpu_max_sockets", str(vcpus), "no CPU topology fits", EXTRA_SPEC)

    def distance(shape: tuple[int, int, int]) -> tuple[int, int, int]:
        misses = sum(
            want is not None and want != size for size, want in zip(shape, wishes, strict=True)
        )
        return misses, shape[2], -shape[0]

    return min(allowed, key=distance)


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


def _parts(gathered: Mapping[str, Any], name: str) -> dict[str, Any]:
    prefix = f"{name}."
    return {
        key.removeprefix(prefix): value for key, value in gathered.items() if key.startswith(prefix)
    }


def _check_video_ram(flavor: Mapping[str, Any], image: Mapping[str, Any]) -> None:
    wanted = image.get("video_ram_mib")
    if wanted is not None and wanted > flavor.get("video_ram_max_mib", 0):
        why = "is more than the flavor's hw_video:ram_max_mb allows"
        raise InvalidProperty("hw_video_ram", str(wanted), why)


def _check_maxima(
    flavor: Mapping[str, Any], image: Mapping[str, Any], properties: Mapping[str, str]
) -> None:
    most = _parts(flavor, "max_topology")
    for part, limit in most.items():
        for key, name in (("hw_cpu_", "topology"), ("hw_cpu_max_", "max_topology")):
            if image.get(f"{name}.{part}", 0) > limit:
                key = f"{key}{part}"
                why = f"is more than the flavor's limit of {limit}"
                raise InvalidProperty(key, properties[key], why)


def _secure_boot(flavor: Mapping[str, Any], image: Mapping[str, Any]) -> bool:
    """Whether it is asked for; an image to which it is optional leaves it to the flavor."""
    of_flavor, of_image = flavor.get("secure_boot"), image.get("secure_boot", "optional")
    if of_flavor is not None and of_image not in ("optional", of_flavor):
        why = f"contradicts the flavor's os:secure_boot = {of_flavor}"
        raise InvalidProperty("os_secure_boot", of_image, why)
    if "required" not in (of_flavor, of_image):
        return False
    key, source = (
        ("os_secure_boot", "image property")
        if of_image == "required"
        else ("os:secure_boot", EXTRA_SPEC)
    )
    if image.get("firmware") != "uefi":
        raise InvalidProperty(key, "required", "needs hw_firmware_type = uefi", source)
    machine = image.get("machine_type")
    if machine is not None and "q35" not in machine and machine.startswith("pc"):
        why = f"the machine type {machine} has no secure boot, q35 has"
        raise InvalidProperty(key, "required", why, source)
    return True


def _check_tpm(
    flavor: Mapping[str, Any], image: Mapping[str, Any], merged: Mapping[str, Any]
) -> None:
    for name in ("tpm_version", "tpm_model"):
        if name in flavor and image.get(name, flavor[name]) != flavor[name]:
            why = f"contradicts the flavor's hw:{name} = {flavor[name]}"
            raise InvalidProperty(f"hw_{name}", image[name], why)
    model, version = merged.get("tpm_model"), merged.get("tpm_version")
    if model is None or (version is not None and (model, version) != ("tpm-crb", "1.2")):
        return
    key, source = (
        ("hw_tpm_model", "image property") if "tpm_model" in image else ("hw:tpm_model", EXTRA_SPEC)
    )
    why = "needs hw:tpm_version or hw_tpm_version" if version is None else "is of version 2.0 only"
    raise InvalidProperty(key, model, why, source)


def _check_disk_limits(flavor: Mapping[str, Any]) -> None:
    for unit in ("bytes", "iops"):
        single = flavor.get(f"disk_read_{unit}") or flavor.get(f"disk_write_{unit}")
        if flavor.get(f"disk_total_{unit}") and single:
            key = f"quota:disk_total_{unit}_sec"
            why = "cannot go with a limit of reads or writes alone"
            raise InvalidProperty(key, str(flavor[f"disk_total_{unit}"]), why, EXTRA_SPEC)


def _bandwidth(flavor: Mapping[str, Any], name: str) -> Bandwidth | None:
    parts = {key: value for key, value in _parts(flavor, name).items() if value}
    if parts and "average" not in parts:
        key, value = next(iter(parts.items()))
        why = "needs the average as well"
        raise InvalidProperty(f"quota:{name}_{key}", str(value), why, EXTRA_SPEC)
    return Bandwidth(**parts) if parts else None


def _wants_tablet(merged: Mapping[str, Any]) -> bool:
    return "pointer_model" in merged or merged.get("os_type") == "windows"

"""What flavor extra specs and image properties together ask of a guest, checked and made one.

Meaning and precedence follow nova's documentation of extra specs and of image properties.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hypervisors.libvirt.properties import (
    EXTRA_SPEC,
    IMAGE_PROPERTY,
    InvalidProperty,
    of_flavor,
    of_image,
)

Firmware = Literal["bios", "uefi"]
OsType = Literal["linux", "windows"]


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
    # Devices of the host by the names that administrators gave them, `gpu:2,nic:1`.
    pci: str = ""

    @property
    def tpm(self) -> str:
        """The TPM as hosts name theirs, `model:version`; "" is none."""
        return f"{self.tpm_model}:{self.tpm_version}" if self.tpm_version else ""


# Where both speak, these of the flavor stand; for the others the image is the nearer word.
_FLAVOR_WINS = ("has_pmu", "vif_multiqueue", "locked_memory", "hides_hypervisor")


def guest_features(
    extra_specs: Mapping[str, str], image_properties: Mapping[str, str]
) -> GuestFeatures:
    """What the two together ask for.

    Raises:
        InvalidProperty: a bad value, a contradiction, or something this portal cannot do.
    """
    flavor, image = of_flavor(extra_specs), of_image(image_properties)
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
        ("os_secure_boot", IMAGE_PROPERTY)
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
        ("hw_tpm_model", IMAGE_PROPERTY) if "tpm_model" in image else ("hw:tpm_model", EXTRA_SPEC)
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

"""The `<devices>` of a guest: disks, network cards, serial console, display and the small ones."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from xml.etree import ElementTree as ET

from hypervisors.libvirt.features import Bandwidth
from hypervisors.libvirt.pci import host_device_element
from hypervisors.libvirt.properties import InvalidProperty
from hypervisors.libvirt.spec import DiskSpec, GuestSpec, InterfaceSpec, IoLimits

BALLOON_PERIOD_S = 10
_TARGET_PREFIX = {"virtio": "vd", "scsi": "sd", "sata": "sd", "usb": "sd", "ide": "hd"}
_ORDER_OF_ROLES = ("rescue", "root", "ephemeral", "swap", "volume", "config", "rescuer")
_MAX_QUEUES = 8
# Of a PCI Express machine each device takes one, and only a spare one lets a device be plugged in
# while the guest runs; libvirt by itself makes one spare.
_ROOT_PORTS = 12


def devices_element(spec: GuestSpec) -> ET.Element:
    """All devices of the guest."""
    devices = ET.Element("devices")
    _add_disks(devices, spec)
    _add_controllers(devices, spec)
    for interface in spec.interfaces:
        devices.append(interface_element(spec, interface))
    _add_serial(devices, spec)
    _add_display(devices, spec)
    _add_host_devices(devices, spec)
    _add_small(devices, spec)
    return devices


def _add_disks(devices: ET.Element, spec: GuestSpec) -> None:
    for disk, bus, target in disk_places(spec):
        devices.append(disk_element(spec, disk, bus, target))


def disk_places(spec: GuestSpec) -> list[tuple[DiskSpec, str, str]]:
    """The guest's disks in order, each with its bus and target; no name is given twice."""
    taken = {disk.target for disk in spec.disks}
    letters: dict[str, Iterator[int]] = {}
    places = []
    ordered = sorted(spec.disks, key=lambda disk: _ORDER_OF_ROLES.index(disk.role))
    for disk in (_attached(spec, disk) for disk in ordered):
        bus = _bus_of(spec, disk)
        prefix = _TARGET_PREFIX[bus]
        names = (prefix + _letters(number) for number in letters.setdefault(prefix, count()))
        places.append((disk, bus, disk.target or next(name for name in names if name not in taken)))
    return places


def _attached(spec: GuestSpec, disk: DiskSpec) -> DiskSpec:
    """A Linux guest's config drive goes on its root disk's bus when nothing places it otherwise.

    That is the one bus the guest surely has a driver for: Debian's cloud kernel has none for the
    SATA that a CD of a q35 machine would be on. cloud-init finds the drive by its label anywhere.
    """
    features = spec.features
    is_free = disk.bus is None and features.cdrom_bus is None and features.os_type == "linux"
    if disk.role == "config" and is_free:
        return replace(disk, device="disk", bus=features.disk_bus)
    return disk


def _letters(number: int) -> str:
    """The name's letters, as the kernel counts them: 0 is a, 25 is z, 26 is aa."""
    text = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(ord("a") + rest) + text
    return text


def _bus_of(spec: GuestSpec, disk: DiskSpec) -> str:
    if disk.bus is not None:
        bus = disk.bus
    elif disk.device == "disk":
        bus = spec.features.disk_bus
    else:
        bus = spec.features.cdrom_bus or ("sata" if _is_q35(spec) else "ide")
    if bus == "ide" and _is_q35(spec):
        key = "hw_disk_bus" if disk.device == "disk" else "hw_cdrom_bus"
        raise InvalidProperty(key, bus, f"the machine type {spec.machine} has no IDE bus")
    return bus


def _is_q35(spec: GuestSpec) -> bool:
    return "q35" in spec.machine


def disk_element(spec: GuestSpec, disk: DiskSpec, bus: str, target: str) -> ET.Element:
    """A disk of the guest at this place."""
    element = ET.Element("disk", {"type": "volume", "device": disk.device})
    driver = {"name": "qemu", "type": disk.format, "cache": disk.cache}
    if disk.device == "disk":
        driver["discard"] = "unmap"
    ET.SubElement(element, "driver", driver)
    ET.SubElement(element, "source", {"pool": disk.pool, "volume": disk.volume})
    ET.SubElement(element, "target", {"dev": target, "bus": bus})
    limits = disk.io_limits or _flavor_limits(spec)
    is_fixed = disk.device == "cdrom" or disk.role == "config"
    if is_fixed or disk.is_readonly:
        ET.SubElement(element, "readonly")
    if not is_fixed:
        _add_io_limits(element, limits)
    if disk.serial:
        ET.SubElement(element, "serial").text = disk.serial
    if disk.boot_order is not None:
        ET.SubElement(element, "boot", {"order": str(disk.boot_order)})
    return element


def _flavor_limits(spec: GuestSpec) -> IoLimits:
    features = spec.features
    return IoLimits(
        read_bytes=features.disk_read_bytes,
        write_bytes=features.disk_write_bytes,
        total_bytes=features.disk_total_bytes,
        read_iops=features.disk_read_iops,
        write_iops=features.disk_write_iops,
        total_iops=features.disk_total_iops,
    )


def _add_io_limits(disk: ET.Element, limits: IoLimits) -> None:
    wanted = {
        "total_bytes_sec": limits.total_bytes,
        "read_bytes_sec": limits.read_bytes,
        "write_bytes_sec": limits.write_bytes,
        "total_iops_sec": limits.total_iops,
        "read_iops_sec": limits.read_iops,
        "write_iops_sec": limits.write_iops,
    }
    given = {tag: value for tag, value in wanted.items() if value}
    if given:
        tune = ET.SubElement(disk, "iotune")
        for tag, value in given.items():
            ET.SubElement(tune, tag).text = str(value)


def _add_controllers(devices: ET.Element, spec: GuestSpec) -> None:
    buses = {_bus_of(spec, _attached(spec, disk)) for disk in spec.disks}
    if "scsi" in buses:
        ET.SubElement(
            devices,
            "controller",
            {"type": "scsi", "index": "0", "model": spec.features.scsi_model},
        )
    has_usb = "usb" in buses or spec.features.tablet_bus == "usb"
    # A USB controller nobody uses costs an emulated guest CPU time.
    model = "qemu-xhci" if has_usb else "none"
    ET.SubElement(devices, "controller", {"type": "usb", "index": "0", "model": model})
    if _is_q35(spec):
        # Said, so that libvirt does not put it elsewhere each time the guest is defined.
        root = {"type": "pci", "index": "0", "model": "pcie-root"}
        ET.SubElement(devices, "controller", root)
        for index in range(1, _ROOT_PORTS + 1):
            port = {"type": "pci", "index": str(index), "model": "pcie-root-port"}
            ET.SubElement(devices, "controller", port)


def interface_element(spec: GuestSpec, interface: InterfaceSpec) -> ET.Element:
    """A network card of the guest."""
    element = ET.Element("interface", {"type": "network"})
    ET.SubElement(element, "mac", {"address": interface.mac})
    ET.SubElement(element, "source", {"network": interface.network})
    ET.SubElement(element, "target", {"dev": tap_name(interface.port_id)})
    model = interface.model or spec.features.vif_model
    ET.SubElement(element, "model", {"type": model})
    if model == "virtio" and spec.features.vif_multiqueue and spec.vcpus > 1:
        queues = str(min(spec.vcpus, _MAX_QUEUES))
        ET.SubElement(element, "driver", {"queues": queues})
    if interface.filter_name is not None:
        ET.SubElement(element, "filterref", {"filter": interface.filter_name})
    if interface.mtu is not None:
        ET.SubElement(element, "mtu", {"size": str(interface.mtu)})
    _add_bandwidth(element, spec.features.vif_inbound, spec.features.vif_outbound)
    return element


def tap_name(port_id: str) -> str:
    """The host's device of a port: at most 15 characters, no prefix that libvirt keeps."""
    return f"tap{port_id[:11]}"


def _add_bandwidth(
    interface: ET.Element, inbound: Bandwidth | None, outbound: Bandwidth | None
) -> None:
    if inbound is None and outbound is None:
        return
    element = ET.SubElement(interface, "bandwidth")
    for tag, limit in (("inbound", inbound), ("outbound", outbound)):
        if limit is not None:
            wanted = {"average": limit.average, "peak": limit.peak, "burst": limit.burst}
            given = {name: str(value) for name, value in wanted.items() if value is not None}
            ET.SubElement(element, tag, given)


def _add_serial(devices: ET.Element, spec: GuestSpec) -> None:
    """A terminal for people to attach to, whose output virtlogd writes to a file as well."""
    for tag in ("serial", "console"):
        element = ET.SubElement(devices, tag, {"type": "pty"})
        if spec.console_log_path is not None:
            ET.SubElement(element, "log", {"file": spec.console_log_path, "append": "on"})
        target = {"port": "0"} if tag == "serial" else {"type": "serial", "port": "0"}
        ET.SubElement(element, "target", target)


def _add_display(devices: ET.Element, spec: GuestSpec) -> None:
    model = spec.features.video_model or "vga"
    graphics = ET.SubElement(
        devices,
        "graphics",
        {"type": "vnc", "port": "-1", "autoport": "yes", "listen": "127.0.0.1"},
    )
    ET.SubElement(graphics, "listen", {"type": "address", "address": "127.0.0.1"})
    video = {"type": model}
    if spec.features.video_ram_mib is not None and model != "none":
        video["vram"] = str(spec.features.video_ram_mib * 1024)
    ET.SubElement(ET.SubElement(devices, "video"), "model", video)


def _add_small(devices: ET.Element, spec: GuestSpec) -> None:
    features = spec.features
    if features.tablet_bus is not None:
        ET.SubElement(devices, "input", {"type": "tablet", "bus": features.tablet_bus})
    if features.has_guest_agent:
        channel = ET.SubElement(devices, "channel", {"type": "unix"})
        ET.SubElement(channel, "target", {"type": "virtio", "name": "org.qemu.guest_agent.0"})
    if features.watchdog_action is not None:
        watchdog = {"model": "i6300esb", "action": features.watchdog_action}
        ET.SubElement(devices, "watchdog", watchdog)
    if features.tpm_version is not None and features.tpm_model is not None:
        tpm = ET.SubElement(devices, "tpm", {"model": features.tpm_model})
        ET.SubElement(tpm, "backend", {"type": "emulator", "version": features.tpm_version})
    if features.has_rng:
        _add_rng(devices, spec)
    balloon = ET.SubElement(devices, "memballoon", {"model": "virtio"})
    ET.SubElement(balloon, "stats", {"period": str(BALLOON_PERIOD_S)})


def _add_host_devices(devices: ET.Element, spec: GuestSpec) -> None:
    devices.extend(host_device_element(address) for address in spec.pci)


def _add_rng(devices: ET.Element, spec: GuestSpec) -> None:
    rng = ET.SubElement(devices, "rng", {"model": "virtio"})
    if spec.features.rng_rate_bytes:
        rate = {"bytes": str(spec.features.rng_rate_bytes)}
        if spec.features.rng_rate_period_ms:
            rate["period"] = str(spec.features.rng_rate_period_ms)
        ET.SubElement(rng, "rate", rate)
    ET.SubElement(rng, "backend", {"model": "random"}).text = "/dev/urandom"

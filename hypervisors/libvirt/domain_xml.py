"""From a guest's specification to libvirt's domain XML: a pure function, tested against files."""

from xml.etree import ElementTree as ET

from hypervisors.libvirt import domain_devices, domain_numa
from hypervisors.libvirt.features import choose_topology
from hypervisors.libvirt.metadata import metadata_element
from hypervisors.libvirt.spec import GuestSpec

SMBIOS_MANUFACTURER = "cloudportal"
SMBIOS_PRODUCT = "cloudportal server"
HOST_CPU_MODES = ("host-passthrough", "host-model", "maximum")


def domain_xml(spec: GuestSpec) -> str:
    """The whole domain.

    Raises:
        InvalidProperty: the features contradict the vCPUs or the machine.
    """
    domain = ET.Element("domain", {"type": spec.domain_type})
    _text(domain, "name", spec.name)
    _text(domain, "uuid", str(spec.uuid))
    if spec.title:
        _text(domain, "title", spec.title)
    ET.SubElement(domain, "metadata").append(metadata_element(spec.metadata))
    _text(domain, "memory", str(spec.ram_mib), unit="MiB")
    _text(domain, "currentMemory", str(spec.ram_mib), unit="MiB")
    _add_memory_backing(domain, spec)
    _text(domain, "vcpu", str(spec.vcpus), placement="static")
    _add_cpu_tuning(domain, spec)
    if spec.numa is not None:
        domain.append(domain_numa.memory_element(spec.numa))
    _add_smbios(domain, spec)
    _add_os(domain, spec)
    _add_features(domain, spec)
    _add_cpu(domain, spec)
    _add_clock(domain, spec)
    _text(domain, "on_poweroff", "destroy")
    _text(domain, "on_reboot", "restart")
    _text(domain, "on_crash", "destroy")
    domain.append(domain_devices.devices_element(spec))
    ET.indent(domain)
    return ET.tostring(domain, encoding="unicode")


def _text(parent: ET.Element, tag: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, tag, attributes).text = text


def _add_memory_backing(domain: ET.Element, spec: GuestSpec) -> None:
    backing = ET.Element("memoryBacking")
    pages = None if spec.numa is None else domain_numa.pages_element(spec.numa)
    if pages is not None:
        backing.append(pages)
    if spec.features.locked_memory:
        ET.SubElement(backing, "locked")
    if len(backing):
        domain.append(backing)


def _add_cpu_tuning(domain: ET.Element, spec: GuestSpec) -> None:
    wanted = {
        "shares": spec.features.cpu_shares or None,
        "period": spec.features.cpu_period_us,
        "quota": spec.features.cpu_quota_us,
    }
    given = {tag: value for tag, value in wanted.items() if value is not None}
    pins = [] if spec.numa is None else domain_numa.pin_elements(spec.numa)
    if given or pins:
        tuning = ET.SubElement(domain, "cputune")
        for tag, value in given.items():
            _text(tuning, tag, str(value))
        tuning.extend(pins)


def _add_smbios(domain: ET.Element, spec: GuestSpec) -> None:
    system = ET.SubElement(ET.SubElement(domain, "sysinfo", {"type": "smbios"}), "system")
    entries = {
        "manufacturer": SMBIOS_MANUFACTURER,
        "product": SMBIOS_PRODUCT,
        "serial": str(spec.uuid),
        "uuid": str(spec.uuid),
        "family": "Virtual Machine",
    }
    for name, value in entries.items():
        _text(system, "entry", value, name=name)


def _add_os(domain: ET.Element, spec: GuestSpec) -> None:
    firmware = {"firmware": "efi"} if spec.features.firmware == "uefi" else {}
    element = ET.SubElement(domain, "os", firmware)
    _text(element, "type", "hvm", arch=spec.arch, machine=spec.machine)
    if firmware:
        _add_firmware(element, spec)
    if spec.features.boot_menu:
        ET.SubElement(element, "bootmenu", {"enable": "yes", "timeout": "5000"})
    ET.SubElement(element, "smbios", {"mode": "sysinfo"})


def _add_firmware(element: ET.Element, spec: GuestSpec) -> None:
    """libvirt chooses among the host's firmwares one that is so, and keeps variables for it."""
    choice = ET.SubElement(element, "firmware")
    if spec.features.secure_boot:
        # Without keys in it a firmware that could check signatures would check none.
        ET.SubElement(choice, "feature", {"enabled": "yes", "name": "enrolled-keys"})
        ET.SubElement(choice, "feature", {"enabled": "yes", "name": "secure-boot"})
        if _has_system_management(spec):
            ET.SubElement(element, "loader", {"secure": "yes"})
    else:
        ET.SubElement(choice, "feature", {"enabled": "no", "name": "secure-boot"})


def _has_system_management(spec: GuestSpec) -> bool:
    """Where only the processor's management mode may write the firmware's variables."""
    return spec.features.secure_boot and spec.arch == "x86_64"


def _add_features(domain: ET.Element, spec: GuestSpec) -> None:
    element = ET.SubElement(domain, "features")
    ET.SubElement(element, "acpi")
    if spec.arch in ("x86_64", "i686"):
        ET.SubElement(element, "apic")
    if _has_system_management(spec):
        ET.SubElement(element, "smm", {"state": "on"})
    if spec.features.hides_hypervisor:
        ET.SubElement(ET.SubElement(element, "kvm"), "hidden", {"state": "on"})
    if spec.features.has_pmu is not None:
        ET.SubElement(element, "pmu", {"state": "on" if spec.features.has_pmu else "off"})
    if _is_enlightened(spec):
        hyperv = ET.SubElement(element, "hyperv")
        for name in ("relaxed", "vapic", "vpindex", "synic"):
            ET.SubElement(hyperv, name, {"state": "on"})
        ET.SubElement(hyperv, "spinlocks", {"state": "on", "retries": "8191"})


def _is_enlightened(spec: GuestSpec) -> bool:
    """Hyper-V's interfaces are KVM's to offer; emulation has none."""
    return spec.features.os_type == "windows" and spec.domain_type == "kvm"


def _add_cpu(domain: ET.Element, spec: GuestSpec) -> None:
    if spec.cpu_model in HOST_CPU_MODES:
        cpu = ET.SubElement(domain, "cpu", {"mode": spec.cpu_model, "check": "none"})
    else:
        cpu = ET.SubElement(domain, "cpu", {"mode": "custom", "match": "exact", "check": "partial"})
        _text(cpu, "model", spec.cpu_model, fallback="forbid")
    wish, most = spec.features.topology, spec.features.max_topology
    sockets, cores, threads = choose_topology(spec.vcpus, wish, most)
    shape = {"sockets": str(sockets), "cores": str(cores), "threads": str(threads)}
    ET.SubElement(cpu, "topology", shape)
    if spec.numa is not None:
        cpu.append(domain_numa.cells_element(spec.numa))


def _add_clock(domain: ET.Element, spec: GuestSpec) -> None:
    offset = "localtime" if spec.features.os_type == "windows" else "utc"
    clock = ET.SubElement(domain, "clock", {"offset": offset})
    if spec.arch not in ("x86_64", "i686"):
        return
    ET.SubElement(clock, "timer", {"name": "rtc", "tickpolicy": "catchup"})
    ET.SubElement(clock, "timer", {"name": "pit", "tickpolicy": "delay"})
    hpet = "yes" if spec.features.has_hpet else "no"
    ET.SubElement(clock, "timer", {"name": "hpet", "present": hpet})
    if _is_enlightened(spec):
        ET.SubElement(clock, "timer", {"name": "hypervclock", "present": "yes"})

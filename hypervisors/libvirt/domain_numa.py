"""The parts of a domain's XML that say which of the host's cells, CPUs and pages it uses."""

from xml.etree import ElementTree as ET

from hypervisors.libvirt.numa import NumaPlacement, format_cpus

_KIB_PER_MIB = 1024


def pages_element(placement: NumaPlacement) -> ET.Element | None:
    """The pages that hold all nodes' memory; None for the host's ordinary ones."""
    if not placement.has_huge_pages:
        return None
    pages = ET.Element("hugepages")
    attributes = {
        "size": str(placement.page_kib),
        "unit": "KiB",
        "nodeset": format_cpus(range(len(placement.nodes))),
    }
    ET.SubElement(pages, "page", attributes)
    return pages


def pin_elements(placement: NumaPlacement) -> list[ET.Element]:
    """Each vCPU on its CPUs, and what else the guest's process does on any of them."""
    found = {}
    for node in placement.nodes:
        for number, vcpu in enumerate(node.vcpus):
            is_dedicated = placement.request.is_dedicated
            found[vcpu] = (node.cpus[number],) if is_dedicated else node.cpus
    pins = [
        ET.Element("vcpupin", {"vcpu": str(vcpu), "cpuset": format_cpus(cpus)})
        for vcpu, cpus in sorted(found.items())
    ]
    everywhere = format_cpus(cpu for node in placement.nodes for cpu in node.cpus)
    return [*pins, ET.Element("emulatorpin", {"cpuset": everywhere})]


def memory_element(placement: NumaPlacement) -> ET.Element:
    """Each node's memory in its cell, and nowhere else."""
    tuning = ET.Element("numatune")
    cells = format_cpus(node.cell for node in placement.nodes)
    ET.SubElement(tuning, "memory", {"mode": "strict", "nodeset": cells})
    for number, node in enumerate(placement.nodes):
        attributes = {"cellid": str(number), "mode": "strict", "nodeset": str(node.cell)}
        ET.SubElement(tuning, "memnode", attributes)
    return tuning


def cells_element(placement: NumaPlacement) -> ET.Element:
    """The nodes as the guest sees them."""
    numa = ET.Element("numa")
    for number, node in enumerate(placement.nodes):
        attributes = {
            "id": str(number),
            "cpus": format_cpus(node.vcpus),
            "memory": str(node.ram_mib * _KIB_PER_MIB),
            "unit": "KiB",
        }
        ET.SubElement(numa, "cell", attributes)
    return numa

"""What a host's domain capabilities say of the firmware that it has for guests."""

from xml.etree import ElementTree as ET


def offers_uefi(found: ET.Element) -> bool:
    """Whether libvirt knows of some UEFI firmware."""
    values = found.iterfind("os/enum[@name='firmware']/value")
    return any(value.text == "efi" for value in values)


def offers_secure_boot(found: ET.Element) -> bool:
    """Whether it knows of one whose variables the guest's system cannot write past its checks."""
    values = found.iterfind("os/loader/enum[@name='secure']/value")
    return offers_uefi(found) and any(value.text == "yes" for value in values)

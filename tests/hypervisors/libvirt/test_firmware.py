"""What domain capabilities say of firmware, as hosts with and without it answer."""

from xml.etree import ElementTree as ET

import pytest

from hypervisors.libvirt.firmware import offers_secure_boot, offers_uefi

LOADER = "<loader supported='yes'><enum name='secure'><value>no</value>{}</enum></loader>"
SECURE = LOADER.format("<value>yes</value>")


@pytest.mark.parametrize(
    ("firmwares", "loader", "uefi", "secure"),
    [
        ("", SECURE, False, False),
        ("<value>bios</value>", SECURE, False, False),
        ("<value>efi</value>", LOADER.format(""), True, False),
        ("<value>efi</value>", SECURE, True, True),
        ("<value>efi</value>", "", True, False),
    ],
)
def test_secure_boot_needs_a_firmware_and_a_loader_for_it(firmwares, loader, uefi, secure):
    found = ET.fromstring(
        f"<domainCapabilities><os supported='yes'><enum name='firmware'>{firmwares}</enum>"
        f"{loader}</os></domainCapabilities>"
    )

    assert (offers_uefi(found), offers_secure_boot(found)) == (uefi, secure)

"""What domain capabilities say of firmware, as hosts with and without it answer."""

from xml.etree import ElementTree as ET

import pytest

from hypervisors.libvirt.firmware import offers_secure_boot, offers_uefi, tpms_offered

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


@pytest.mark.parametrize(
    ("backends", "versions", "offered"),
    [
        ("<value>passthrough</value>", "", ()),
        ("<value>emulator</value>", "<value>2.0</value>", ("tpm-tis:2.0", "tpm-crb:2.0")),
        ("<value>emulator</value>", "", ("tpm-tis:1.2", "tpm-tis:2.0", "tpm-crb:2.0")),
    ],
)
def test_only_emulated_tpms_are_offered(backends, versions, offered):
    found = ET.fromstring(
        "<domainCapabilities><devices><tpm supported='yes'>"
        "<enum name='model'><value>tpm-tis</value><value>tpm-crb</value></enum>"
        f"<enum name='backendModel'>{backends}</enum>"
        f"<enum name='backendVersion'>{versions}</enum></tpm></devices></domainCapabilities>"
    )

    assert tpms_offered(found) == offered


def test_a_host_that_knows_no_tpm_offers_none():
    found = ET.fromstring(
        "<domainCapabilities><devices><tpm supported='no'/></devices></domainCapabilities>"
    )

    assert tpms_offered(found) == ()

"""What a host's domain capabilities say of the firmware and TPMs that it has for guests."""

from xml.etree import ElementTree as ET


def offers_uefi(found: ET.Element) -> bool:
    """Whether libvirt knows of some UEFI firmware."""
    values = found.iterfind("os/enum[@name='firmware']/value")
    return any(value.text == "efi" for value in values)


def offers_secure_boot(found: ET.Element) -> bool:
    """Whether it knows of one whose variables the guest's system cannot write past its checks."""
    values = found.iterfind("os/loader/enum[@name='secure']/value")
    return offers_uefi(found) and any(value.text == "yes" for value in values)


def tpms_offered(found: ET.Element) -> tuple[str, ...]:
    """The models and versions of a TPM that a guest can have of its own, as `model:version`.

    Only those that the host emulates by swtpm: its own one is of no use to several guests. A
    libvirt that names no versions knows both. tpm-crb is of version 2.0 only.
    """
    tpm = found.find("devices/tpm[@supported='yes']")
    if tpm is None or "emulator" not in _values(tpm, "backendModel"):
        return ()
    versions = _values(tpm, "backendVersion") or ("1.2", "2.0")
    return tuple(
        f"{model}:{version}"
        for model in _values(tpm, "model")
        for version in versions
        if (model, version) != ("tpm-crb", "1.2")
    )


def _values(parent: ET.Element, name: str) -> tuple[str, ...]:
    return tuple(value.text or "" for value in parent.iterfind(f"enum[@name='{name}']/value"))

"""The libvirt URIs the portal connects to, and the SSH address in them."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, urlsplit

from hypervisors.errors import InvalidHypervisorUri

LOCAL_URI = "qemu:///system"
# Letters, digits, dots, hyphens: nothing that a program could take for an option or a path.
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
# Where the remote libvirt listens and how it is spoken to; everything else of libvirt's URI
# parameters is about keys, checks or programs, which the portal sees to itself.
_ALLOWED_KEYS = {"socket", "mode", "proxy"}


@dataclass(frozen=True)
class SshAddress:
    """Where a host's sshd listens."""

    host: str
    port: int = 22
    user: str = ""

    @property
    def known_hosts_name(self) -> str:
        """The host as a known_hosts line names it."""
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"


def ssh_address(uri: str) -> SshAddress | None:
    """The SSH address in a hypervisor's URI; None for the libvirt of this very machine.

    Raises:
        InvalidHypervisorUri: the URI is none of qemu+ssh://[user@]host[:port]/system and
            qemu:///system, or has a parameter that is not allowed.
    """
    parts = _split(uri)
    if parts.path != "/system" or parts.fragment or parts.password is not None:
        raise InvalidHypervisorUri(
            "A hypervisor's URI is qemu+ssh://user@host/system, or qemu:///system for this machine."
        )
    for key, _ in parse_qsl(parts.query, keep_blank_values=True):
        if key not in _ALLOWED_KEYS:
            raise InvalidHypervisorUri(
                f"The parameter {key} is not allowed in a hypervisor's URI: the portal has its own "
                "SSH key, always checks the host's key, and runs no other program."
            )
    if parts.scheme == "qemu" and not parts.netloc:
        return None
    if parts.scheme == "qemu+ssh" and parts.hostname:
        return _address(parts)
    raise InvalidHypervisorUri(
        "Only qemu+ssh://user@host/system and qemu:///system are supported, "
        f"not {parts.scheme}://{parts.hostname or ''}."
    )


def _split(uri: str) -> SplitResult:
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError as error:
        raise InvalidHypervisorUri(f"The hypervisor's URI is malformed: {error}.") from error
    return parts


def _address(parts: SplitResult) -> SshAddress:
    host = parts.hostname or ""
    if not _HOST_NAME.fullmatch(host) and not _is_ip_address(host):
        raise InvalidHypervisorUri(f"{host!r} is no host name or address.")
    user = parts.username or ""
    if user and not _USER.fullmatch(user):
        raise InvalidHypervisorUri(f"{user!r} is no user name.")
    return SshAddress(host, parts.port or 22, user)


def _is_ip_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text  # a scope would reach the file name of the known keys

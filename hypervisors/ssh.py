"""The portal's own SSH: one key for all hosts, the hosts' accepted keys, and how ssh is run.

libvirt's qemu+ssh transport runs a program, so everything about it lies in files of `SSH_DIR`: a
private key, a configuration, a wrapper that names it, and one known_hosts file a host. All of them
are made from the database whenever they are missing or differ, so a second web or worker machine
needs none copied; each is replaced as a whole, so processes may write them at the same time.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
import shlex
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from hypervisors.errors import HostUnreachable
from hypervisors.models import SshIdentity
from hypervisors.uris import SshAddress

KEY_COMMENT = "cloudportal"
CONNECT_TIMEOUT_S = 5
# Best first; what ssh itself prefers.
KEY_KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
             "ssh-rsa")  # fmt: skip
_CONFIG = """\
Host *
    BatchMode yes
    StrictHostKeyChecking yes
    UserKnownHostsFile "{folder}/known_hosts.d/%h_%p"
    GlobalKnownHostsFile /dev/null
    UpdateHostKeys no
    CheckHostIP no
    IdentityFile "{folder}/id_ed25519"
    IdentitiesOnly yes
    IdentityAgent none
    PreferredAuthentications publickey
    ClearAllForwardings yes
    PermitLocalCommand no
    ConnectTimeout {timeout_s}
    ServerAliveInterval 5
    ServerAliveCountMax 3
    LogLevel ERROR
"""
# libvirt reads at most 1,024 bytes of what ssh complains of, and of more it says nothing but "value
# too large". ssh's words about a changed host key are longer than that; the last of them say it.
_WRAPPER = """\
#!/bin/sh
{{ {ssh} "$@" 2>&1 1>&3 3>&- | tail -c 900 >&2 3>&-; }} 3>&1
"""


@dataclass(frozen=True)
class HostKey:
    """A host's public key: its kind and its base64 text."""

    kind: str
    text: str

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` writes it: SHA256 and base64 without padding."""
        digest = hashlib.sha256(base64.b64decode(self.text)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def known_hosts_lines(address: SshAddress, keys: Sequence[HostKey]) -> str:
    """What is kept in `Hypervisor.host_keys`: a known_hosts line a key."""
    return "".join(f"{address.known_hosts_name} {key.kind} {key.text}\n" for key in keys)


def parse_host_keys(lines: str) -> list[HostKey]:
    """The keys in known_hosts lines, best kind first; other lines are left out."""
    keys = []
    for line in lines.splitlines():
        words = line.split()
        if len(words) >= 3 and words[1] in KEY_KINDS and _is_base64(words[2]):
            keys.append(HostKey(words[1], words[2]))
    return sorted(set(keys), key=lambda key: KEY_KINDS.index(key.kind))


def scan_host_keys(address: SshAddress, timeout_s: int = CONNECT_TIMEOUT_S) -> list[HostKey]:
    """Ask a host's sshd for its public keys; what answers is not authenticated in any way.

    Raises:
        HostUnreachable: no sshd answers there, or there is no ssh-keyscan on this machine.
    """
    program = shutil.which("ssh-keyscan")
    if program is None:
        raise HostUnreachable("ssh-keyscan is missing on the portal's machine.")
    command = [program, "-T", str(timeout_s), "-p", str(address.port), "--", address.host]
    try:
        done = subprocess.run(  # noqa: S603 - an argument list; host and port are checked
            command, capture_output=True, text=True, timeout=timeout_s * 6, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise HostUnreachable(f"{address.host} does not answer on SSH.") from error
    keys = parse_host_keys(done.stdout)
    if not keys:
        raise HostUnreachable(
            f"No SSH server answers at {address.known_hosts_name}.", detail=done.stderr.strip()
        )
    return keys


def greets(address: SshAddress, timeout_s: float = CONNECT_TIMEOUT_S) -> bool:
    """Whether an SSH server says who it is: a sign of life, which a kernel alone does not give."""
    try:
        with socket.create_connection((address.host, address.port), timeout_s) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def public_key() -> str:
    """The line to put into `authorized_keys` on a host; the key is made on first use."""
    return f"{_identity().public_key} {KEY_COMMENT}"


def prepare(address: SshAddress, host_keys: str) -> Path:
    """Bring all files for a connection to this host up to date; the path of the ssh wrapper."""
    folder = _folder()
    _put(_known_hosts_path(address), host_keys.encode(), 0o600)
    private = folder / "id_ed25519"
    if _prepared.get(folder) != os.getpid() or not private.exists():
        _put(private, unseal(_identity().sealed_private_key), 0o600)
        quoted = str(folder).replace("%", "%%")
        config = _CONFIG.format(folder=quoted, timeout_s=CONNECT_TIMEOUT_S)
        _put(folder / "config", config.encode(), 0o600)
        ssh = shutil.which("ssh") or "/usr/bin/ssh"
        words = shlex.join([ssh, "-F", str(folder / "config")])
        _put(folder / "ssh", _WRAPPER.format(ssh=words).encode(), 0o700)
        _prepared[folder] = os.getpid()
    return folder / "ssh"


def forward_command(
    address: SshAddress, host_keys: str, target: tuple[str, int]
) -> tuple[str, ...]:
    """A program that joins its standard input and output to a TCP port, as seen from the host."""
    wrapper = prepare(address, host_keys)
    host, port = target
    where = ("-l", address.user) if address.user else ()
    return (
        str(wrapper),
        "-p",
        str(address.port),
        *where,
        "-W",
        f"{host}:{port}",
        "--",
        address.host,
    )


def forget(address: SshAddress) -> None:
    """Trust this host's keys no more, on this machine; others do when they next connect."""
    _known_hosts_path(address).unlink(missing_ok=True)


def seal(secret: bytes) -> str:
    """Encrypt for the database, with a key drawn from the signing key."""
    return _cipher().encrypt(secret).decode()


def unseal(sealed: str) -> bytes:
    """The secret again.

    Raises:
        HostUnreachable: it was sealed under another signing key.
    """
    try:
        return _cipher().decrypt(sealed.encode())
    except InvalidToken as error:
        raise HostUnreachable(
            "The portal's SSH key was stored under another signing key (SECRET_KEY_FILE)."
        ) from error


# Which folders this process has written its files to; a child process checks again.
_prepared: dict[Path, int] = {}


def _cipher() -> Fernet:
    digest = hashlib.sha256(b"hypervisors.ssh\0" + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(digest))


def _identity() -> SshIdentity:
    """The stored key; of two processes that make one at the same time, the first one's stands."""
    found = SshIdentity.objects.filter(name="portal").first()
    if found is not None:
        return found
    key = _kept_key() or Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    identity, _ = SshIdentity.objects.get_or_create(
        name="portal",
        defaults={"public_key": public.decode(), "sealed_private_key": seal(private)},
    )
    return identity


def _kept_key() -> Ed25519PrivateKey | None:
    """The key file of an earlier database: hosts that let it in go on doing so."""
    path = _folder() / "id_ed25519"
    if not path.exists():
        return None
    key = serialization.load_ssh_private_key(path.read_bytes(), None)
    return key if isinstance(key, Ed25519PrivateKey) else None


def _known_hosts_path(address: SshAddress) -> Path:
    # ssh lowers the name before it fills in %h.
    return _folder() / "known_hosts.d" / f"{address.host.lower()}_{address.port}"


def _folder() -> Path:
    folder = Path(settings.SSH_DIR)
    for each in (folder, folder / "known_hosts.d"):
        if not each.is_dir():
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
            each.chmod(0o700)
    return folder


def _put(path: Path, content: bytes, mode: int) -> None:
    """Let the file have this content: replaced as a whole, and only when it differs."""
    with contextlib.suppress(FileNotFoundError):
        if path.read_bytes() == content and path.stat().st_mode & 0o777 == mode:
            return
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    return True

"""What a host's kernel says, of which libvirt tells nothing: read by ssh, or from this machine.

The command is `cat` of one file below /proc/sys, run by the same program that libvirt connects by.
"""

import shlex
import subprocess
import time
import weakref
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from hypervisors.libvirt.connection import Connection

BRIDGE_FILTERING = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
PAGE_FAULTS = Path("/proc/sys/vm/unprivileged_userfaultfd")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# What could not be read is asked for again after so long; each time is a login on the host.
BOOT_ID_AGAIN_S = 300.0
_LONGEST_ID = 64
_SSH_S = 15.0
_BOOT_ID_S = 5.0
_SSH_FAILED = 255

# No boot outlives a connection, so each is asked once: what it said, and when.
_boots: weakref.WeakKeyDictionary[Connection, tuple[str, float]] = weakref.WeakKeyDictionary()


def passes_bridged_packets(connection: Connection) -> bool | None:
    """Whether the kernel hands packets between guests to iptables; None when nobody can tell."""
    text = _read(connection, BRIDGE_FILTERING, _SSH_S)
    return None if text is None else text == "1"


def unprivileged_page_faults(connection: Connection) -> bool | None:
    """Whether any process may handle the page faults of its memory; None when nobody can tell."""
    text = _read(connection, PAGE_FAULTS, _SSH_S)
    return text == "1" if text else None


def boot_id(connection: Connection) -> str:
    """A name for the present boot of the host's kernel; "" when nobody can tell."""
    known, asked_at = _boots.get(connection, ("", float("-inf")))
    if known or time.monotonic() < asked_at + BOOT_ID_AGAIN_S:
        return known
    found = (_read(connection, BOOT_ID, _BOOT_ID_S) or "")[:_LONGEST_ID]
    _boots[connection] = (found, time.monotonic())
    return found


def _read(connection: Connection, file: Path, timeout_s: float) -> str | None:
    """The text of a file, "" of one that is not there; None when the host cannot be asked."""
    where = urlsplit(connection.uri)
    if where.scheme == "qemu":
        return file.read_text().strip() if file.exists() else ""
    command = parse_qs(where.query).get("command", [""])[0]
    if not where.scheme.endswith("+ssh") or not command or where.hostname is None:
        return None
    user = ("-l", unquote(where.username)) if where.username else ()
    port = ("-p", str(where.port)) if where.port else ()
    words = [command, *user, *port, "--", where.hostname, shlex.join(["cat", str(file)])]
    try:
        done = subprocess.run(  # noqa: S603 - an argument list; the remote words are quoted
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode == _SSH_FAILED else done.stdout.strip()

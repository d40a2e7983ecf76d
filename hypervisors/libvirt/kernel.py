"""Settings of a host's kernel, of which libvirt tells nothing: read by ssh, or from this machine.

The command is `cat` of one file below /proc/sys, run by the same program that libvirt connects by.
"""

import shlex
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from hypervisors.libvirt.connection import Connection

BRIDGE_FILTERING = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
_SSH_S = 15.0
_SSH_FAILED = 255


def passes_bridged_packets(connection: Connection) -> bool | None:
    """Whether the kernel hands packets between guests to iptables; None when nobody can tell."""
    where = urlsplit(connection.uri)
    if where.scheme == "qemu":
        text = BRIDGE_FILTERING.read_text() if BRIDGE_FILTERING.exists() else ""
        return text.strip() == "1"
    command = parse_qs(where.query).get("command", [""])[0]
    if not where.scheme.endswith("+ssh") or not command or where.hostname is None:
        return None
    user = ("-l", unquote(where.username)) if where.username else ()
    port = ("-p", str(where.port)) if where.port else ()
    words = [
        command,
        *user,
        *port,
        "--",
        where.hostname,
        shlex.join(["cat", str(BRIDGE_FILTERING)]),
    ]
    try:
        done = subprocess.run(  # noqa: S603 - an argument list; the remote words are quoted
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SSH_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode == _SSH_FAILED:
        return None
    return done.stdout.strip() == "1"

"""Commands on a host, for what libvirt has no call for: by the ssh that it connects by, or here.

The words are quoted one by one, so that no shell reads anything into them. Whoever is not root on
the host runs them by `sudo`, which must not ask for a password.
"""

import os
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from hypervisors.libvirt.connection import Connection
from hypervisors.libvirt.errors import DriverError, HostUnreachable, Unsupported

COMMAND_S = 30.0
_NOT_FOUND = 127
# The status comes as the last line: the program that runs ssh keeps its own, and a connection that
# broke off brings none.
_WITH_STATUS = ("sh", "-c", '"$@"; printf "\\n%s" "$?"', "sh")
_ROOT = "root"
# An account's path may lack the administrator's programs.
_PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Ran:
    """What a command said and how it ended; `is_missing`: the host has no such program."""

    output: str
    errors: str
    status: int

    @property
    def is_missing(self) -> bool:
        """Whether the host has no such program."""
        return self.status == _NOT_FOUND


def run_on_host(
    connection: Connection, words: Sequence[str], *, given: str = "", timeout_s: float = COMMAND_S
) -> Ran:
    """Run a command as root on the host; `given` is its standard input.

    Raises:
        HostUnreachable: ssh failed, or the command did not end in time.
        Unsupported: the URI leads to no machine that commands can be run on.
    """
    try:
        done = subprocess.run(  # noqa: S603 - an argument list; the remote words are quoted
            _command(connection.uri, words),
            input=given,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostUnreachable(f"{words[0]}: {error}") from error
    output, _, status = done.stdout.rpartition("\n")
    if not status.isdigit():
        raise HostUnreachable(done.stderr.strip() or "The connection broke off.")
    return Ran(output, done.stderr.strip(), int(status))


def succeed_on_host(connection: Connection, words: Sequence[str], *, given: str = "") -> str:
    """The same, of a command that must not fail; what it said.

    Raises:
        HostUnreachable, Unsupported: as above, or the host has no such program.
        DriverError: it failed.
    """
    ran = run_on_host(connection, words, given=given)
    if ran.is_missing:
        raise Unsupported(f"The program {words[0]} is missing on the host.")
    if ran.status:
        raise DriverError(f"{words[0]} failed with {ran.status}: {ran.errors}")
    return ran.output


def _command(uri: str, words: Sequence[str]) -> list[str]:
    where = urlsplit(uri)
    if where.scheme == "qemu":
        return [*_WITH_STATUS, *_as_root(os.geteuid() == 0), *words]
    command = parse_qs(where.query).get("command", [""])[0]
    if not where.scheme.endswith("+ssh") or not command or where.hostname is None:
        raise Unsupported(f"No commands can be run on a host with a {where.scheme} URI.")
    account = unquote(where.username or _ROOT)
    port = ("-p", str(where.port)) if where.port else ()
    remote = shlex.join([*_WITH_STATUS, *_as_root(account == _ROOT), *words])
    return [command, "-l", account, *port, "--", where.hostname, remote]


def _as_root(is_root: bool) -> list[str]:
    return ["env", _PATH] if is_root else ["sudo", "-n", "env", _PATH]

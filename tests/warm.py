"""Programs that are loaded once and run often: each run is a fork, with arguments of its own.

To load `openstack` or `manage.py` takes longer than most of what they are asked. The forks run the
programs' own entry points with an environment, a folder and standard streams as a new process has.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_OPENSTACK = ("common", "compute.v2", "identity.v3", "image.v2", "network.v2", "volume.v3")


class Warm:
    """A loaded program; `name` is `openstack` or `manage.py`, as its environment loads it."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        self._name = name
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.warm", name, str(theirs.fileno())],
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                # Its forks are killed with it, and no signal meant for the tests ends it early.
                start_new_session=True,
            )

    def run(
        self, words: Sequence[str], environment: Mapping[str, str], *, timeout_s: float = 600
    ) -> subprocess.CompletedProcess[str]:
        """Run it once more; what it said and its status.

        Raises:
            TimeoutError: it took longer; it was killed.
        """
        ours, theirs = socket.socketpair()
        with ours, tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as warned:
            with theirs:
                fds = [theirs.fileno(), said.fileno(), warned.fileno()]
                socket.send_fds(self._control, [b"run"], fds)
            asked = json.dumps({"words": list(words), "environment": dict(environment)})
            ours.sendall(asked.encode())
            ours.shutdown(socket.SHUT_WR)
            status = self._status(ours, timeout_s)
            said.seek(0)
            warned.seek(0)
            done: subprocess.CompletedProcess[str] = subprocess.CompletedProcess(
                [self._name, *words], status, said.read(), warned.read()
            )
        return done

    def _status(self, ours: socket.socket, timeout_s: float) -> int:
        """Read who runs it, then how it ended; killed without a word is -9."""
        ours.settimeout(timeout_s)
        with ours.makefile() as lines:
            pid = lines.readline()
            try:
                return int(lines.readline() or -signal.SIGKILL)
            except TimeoutError:
                os.kill(int(pid), signal.SIGKILL)
                raise

    def stop(self) -> None:
        """End it, and whatever of it still runs."""
        self._control.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=30)


def _load(name: str) -> Any:
    if name == "manage.py":
        import django
        from django.core.management import execute_from_command_line

        django.setup()
        for module in ("django.core.management.commands.shell", "tests.cloud.left"):
            importlib.import_module(module)
        return lambda words: execute_from_command_line(["manage.py", *words])
    # What it calls itself is decided when it is loaded.
    sys.argv[0] = name
    from openstackclient import shell

    for package in _OPENSTACK:
        found = importlib.import_module(f"openstackclient.{package}")
        for each in pkgutil.iter_modules(found.__path__, f"{found.__name__}."):
            importlib.import_module(each.name)
    importlib.import_module("openstack.connection")
    return shell.main


def _serve(name: str, control: socket.socket) -> None:
    main = _load(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, fds, _, _ = socket.recv_fds(control, 16, 3)
        if not message:
            return
        if os.fork() == 0:
            control.close()
            _run(main, name, fds)
        for fd in fds:
            os.close(fd)


def _run(main: Any, name: str, fds: list[int]) -> None:
    """Be the program, once, and end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    line = socket.socket(fileno=fds[0])
    line.sendall(f"{os.getpid()}\n".encode())
    with line.makefile() as asked:
        request = json.load(asked)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.dup2(fds[1], 1)
    os.dup2(fds[2], 2)
    sys.argv = [name, *request["words"]]
    status = _status_of(main, request["words"])
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    line.sendall(f"{status}\n".encode())
    os._exit(0)


def _status_of(main: Any, words: list[str]) -> int:
    try:
        return int(main(words) or 0)
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            return ended.code or 0
        sys.stderr.write(f"{ended.code}\n")
        return 1
    except Exception:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        return 1


if __name__ == "__main__":
    _serve(sys.argv[1], socket.socket(fileno=int(sys.argv[2])))
